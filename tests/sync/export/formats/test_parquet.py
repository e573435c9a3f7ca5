"""Parquet, read back by pyarrow and by `datasets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from PIL import Image
from pycocotools import mask as coco_mask

from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def tasks(task: Say, annotation: Say, region: Say, ragged_mask: Mask) -> list[dict[str, Any]]:
    first = annotation(
        region("morphology", ["Spiral"]),
        region("redshift", 0.125),
        region("masks", ragged_mask, label="Arm", size=SIZE),
        region("boxes", Box(1 / 3, 2, 3.25, 4), label="Star", size=SIZE, score=0.5, origin="prediction"),
        region("points", Point(5, 6), label="Nucleus", size=SIZE),
        region("ellipses", Ellipse(20, 15, 9, 4, 30), label="Galaxy", size=SIZE),
        region("polygons", Polygon(np.array([[3.0, 4], [20, 6], [11, 22]])), label="Galaxy", size=SIZE),
    )
    second = annotation(region("features", ["Bar", "Ring"]))
    return [task(first, ra=150.5, dec=-2.25), task(second, image="/data/upload/1/missing.png")]


def test_datasets_opens_images_and_objects(
    run_export: Exported, tasks: list[dict[str, Any]], ragged_mask: Mask, tmp_path: Path
) -> None:
    folder, _ = run_export(tasks, "parquet")
    rows = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    first, second = rows[0], rows[1]
    assert first["image"].size == SIZE
    assert (first["task"], first["width"], first["height"], first["ra"], first["dec"]) == (1, 40, 30, 150.5, -2.25)
    mask, box, point, ellipse, polygon = first["objects"]
    rle = {"size": mask["mask_size"], "counts": mask["mask_counts"]}
    assert (coco_mask.decode(rle).astype(bool) == ragged_mask).all()
    assert box["bbox"] == pytest.approx([1 / 3, 2, 3.25, 4], abs=1e-9)
    assert box["probability"] == 0.5
    assert point["point"] == pytest.approx([5, 6])
    assert ellipse["ellipse"] == pytest.approx([20, 15, 9, 4, 30])
    assert polygon["outline"] == pytest.approx([3, 4, 20, 6, 11, 22])
    assert [(answer["control"], answer["labels"], answer["number"]) for answer in first["answers"]] == [
        ("morphology", ["Spiral"], None),
        ("redshift", [], 0.125),
    ]
    assert second["image"] is None
    assert second["answers"][0]["labels"] == ["Bar", "Ring"]
    assert second["answers"][0]["made_by"] == "human"


def test_each_split_has_files_with_the_names_of_the_hub(
    run_export: Exported, task: Say, annotation: Say, region: Say, tmp_path: Path
) -> None:
    tasks = [task(annotation(region("morphology", ["Spiral"]))) for _ in range(10)]
    folder, _ = run_export(tasks, "parquet", fractions={"train": 0.8, "validation": 0.1, "test": 0.1}, licence="CC BY 4.0")
    names = sorted(file.name for file in (folder / "data").iterdir())
    assert names == [f"{split}-00000-of-00001.parquet" for split in ("test", "train", "validation")]
    dataset = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in dataset.items()} == {"train": 8, "validation": 1, "test": 1}


def test_the_image_file_is_stored_byte_by_byte(run_export: Exported, tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    content = tmp_path / "galaxy.jpg"
    Image.new("RGB", SIZE, (9, 8, 7)).save(content)
    reference = tasks[0]["data"]["image"]
    folder, _ = run_export(tasks, "parquet", files={reference: content.read_bytes()})
    row = pq.read_table(folder / "data" / "train-00000-of-00001.parquet").to_pylist()[0]
    assert row["image"]["bytes"] == content.read_bytes()
    assert row["image"]["path"].endswith(".jpg")


def test_large_data_sets_are_split_into_files(
    run_export: Exported, task: Say, annotation: Say, region: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.export.formats.parquet.BYTES_A_FILE", 1)
    tasks = [task(annotation(region("morphology", ["Spiral"]))) for _ in range(250)]
    folder, _ = run_export(tasks, "parquet")
    files = sorted((folder / "data").iterdir())
    assert [file.name for file in files] == [f"train-{number:05d}-of-00003.parquet" for number in range(3)]
    assert [task for file in files for task in pq.read_table(file)["task"].to_pylist()] == list(range(1, 251))


def test_an_empty_split_has_no_file_and_the_others_open(
    run_export: Exported, task: Say, annotation: Say, region: Say, tmp_path: Path
) -> None:
    tasks = [task(annotation(region("morphology", ["Spiral"]))) for _ in range(2)]
    folder, summary = run_export(tasks, "parquet", fractions={"train": 0.8, "validation": 0.1, "test": 0.1})
    dataset = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert summary.empty_splits
    assert set(dataset) == {"train", "validation", "test"} - set(summary.empty_splits)
    assert sum(len(rows) for rows in dataset.values()) == 2


def test_a_row_group_is_limited_by_the_size_of_its_images(
    run_export: Exported, task: Say, annotation: Say, region: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.export.formats.parquet.BYTES_AT_ONCE", 1)
    folder, _ = run_export([task(annotation(region("morphology", ["Spiral"]))) for _ in range(3)], "parquet")
    assert pq.ParquetFile(folder / "data" / "train-00000-of-00001.parquet").num_row_groups == 3


def test_datasets_3_reads_the_features(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    """The features do not use `List`, which version 4 introduced; a list of objects is a list there, not an object of lists."""
    folder, _ = run_export(tasks, "parquet")
    metadata = pq.read_schema(folder / "data" / "train-00000-of-00001.parquet").metadata[b"huggingface"]
    features = json.loads(metadata)["info"]["features"]
    assert b'"List"' not in metadata
    assert features["objects"][0]["bbox"] == {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "Sequence"}
