"""A box and an outline of one object are one object in every format except Label Studio's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from pycocotools import mask as coco_mask

from sync.geometry.shapes import Box, Ellipse, Mask, Polygon

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def square() -> Mask:
    mask = np.zeros((30, 40), dtype=bool)
    mask[6:16, 8:20] = True
    return mask


@pytest.fixture
def two_annotations(region: Say, square: Mask) -> list[dict[str, Any]]:
    """Return a box and a mask of one galaxy."""
    box = region("boxes", Box(7.5, 5, 13, 11.5), label="Galaxy", size=SIZE)
    return [{**box, "id": "the-box"}, {**region("masks", square, label="Galaxy", size=SIZE), "id": "the-mask"}]


def read_entries(folder: Path) -> list[dict[str, Any]]:
    return list(json.loads((folder / "annotations" / "train.json").read_text())["annotations"])


def test_coco_has_one_annotation_with_the_drawn_box_and_the_mask(
    run_export: Exported, task: Say, annotation: Say, two_annotations: list[dict[str, Any]], square: Mask
) -> None:
    folder, summary = run_export([task(annotation(*two_annotations))], "coco")
    (entry,) = read_entries(folder)
    assert entry["bbox"] == pytest.approx([7.5, 5, 13, 11.5])
    assert (coco_mask.decode(entry["segmentation"]).astype(bool) == square).all()
    assert entry["area"] == square.sum()
    assert (entry["region"], entry["box_region"]) == ("the-mask", "the-box")
    assert entry["drawn_box"] == pytest.approx([7.5, 5, 13, 11.5, 0])
    assert summary.objects == 1


@pytest.mark.parametrize("format", ["ecsv", "votable", "fits-table"])
def test_catalogues_have_one_row(
    run_export: Exported, task: Say, annotation: Say, two_annotations: list[dict[str, Any]], square: Mask, format: str
) -> None:
    folder, _ = run_export([task(annotation(*two_annotations))], format)
    (file,) = folder.glob("objects.*")
    (row,) = Table.read(file)
    assert (row["kind"], row["region"], row["box_region"]) == ("mask", "the-mask", "the-box")
    assert [row[f"box_{name}"] for name in ("x", "y", "width", "height")] == pytest.approx([7.5, 5, 13, 11.5])
    assert row["mask_area"] == square.sum()


def test_parquet_has_one_object_and_yolo_one_line_in_each_set(
    run_export: Exported, task: Say, annotation: Say, two_annotations: list[dict[str, Any]]
) -> None:
    folder, _ = run_export([task(annotation(*two_annotations))], "parquet")
    (file,) = (folder / "data").iterdir()
    ((entry,),) = pq.read_table(file).column("objects").to_pylist()
    assert (entry["bbox"], entry["box_region"], entry["area"]) == (pytest.approx([7.5, 5, 13, 11.5]), "the-box", 120)
    folder, _ = run_export([task(annotation(*two_annotations))], "yolo")
    for name in ("detect", "segment"):
        (file,) = (folder / name / "labels" / "train").iterdir()
        assert len(file.read_text().splitlines()) == 1


def test_separate_objects_are_not_merged(
    run_export: Exported, task: Say, annotation: Say, two_annotations: list[dict[str, Any]]
) -> None:
    folder, _ = run_export([task(annotation(*two_annotations))], "coco", objects="separate")
    assert [entry["region"] for entry in read_entries(folder)] == ["the-box", "the-mask"]


def test_json_keeps_box_and_mask(
    run_export: Exported, task: Say, annotation: Say, two_annotations: list[dict[str, Any]]
) -> None:
    folder, _ = run_export([task(annotation(*two_annotations))], "json")
    (exported_task,) = json.loads((folder / "train.json").read_text())
    assert [entry["id"] for entry in exported_task["annotations"][0]["result"]] == ["the-box", "the-mask"]


def test_another_class_or_a_small_overlap_is_another_object(
    run_export: Exported, task: Say, annotation: Say, region: Say, square: Mask
) -> None:
    mask = region("masks", square, label="Galaxy", size=SIZE)
    star = region("boxes", Box(7.5, 5, 13, 11.5), label="Star", size=SIZE)
    neighbour = region("boxes", Box(16, 6, 12, 10), label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(mask, star, neighbour))], "coco")
    assert len(read_entries(folder)) == 3


@pytest.mark.parametrize("ends", [("the-box", "the-mask"), ("the-mask", "the-box")])
def test_a_relation_links_a_box_that_is_much_larger(
    run_export: Exported, task: Say, annotation: Say, region: Say, square: Mask, ends: tuple[str, str]
) -> None:
    box = {**region("boxes", Box(2, 2, 36, 26), label="Galaxy", size=SIZE), "id": "the-box"}
    mask = {**region("masks", square, label="Galaxy", size=SIZE), "id": "the-mask"}
    relation = {"type": "relation", "from_id": ends[0], "to_id": ends[1], "direction": "right"}
    folder, _ = run_export([task(annotation(box, mask))], "coco")
    assert len(read_entries(folder)) == 2
    folder, _ = run_export([task(annotation(box, mask, relation))], "coco")
    assert len(read_entries(folder)) == 1


def test_each_outline_is_merged_with_the_best_box(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    ellipse = region("ellipses", Ellipse(14, 11, 6, 5), label="Galaxy", size=SIZE)
    wide, tight = (
        {**region("boxes", box, label="Galaxy", size=SIZE), "id": name}
        for name, box in (("wide", Box(7, 5, 14, 12)), ("tight", Box(8, 6, 12, 10)))
    )
    folder, _ = run_export([task(annotation(wide, ellipse, tight))], "coco")
    alone, joined_entry = read_entries(folder)
    assert (alone["region"], joined_entry["box_region"]) == ("wide", "tight")


def test_a_predicted_box_and_a_drawn_mask_are_of_mixed_origin(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    outline = Polygon(np.array([[8.0, 6.0], [20.0, 6.0], [20.0, 16.0], [8.0, 16.0]]))
    box = region("boxes", Box(8, 6, 12, 10), label="Galaxy", size=SIZE, origin="prediction", score=0.75)
    polygon = region("polygons", outline, label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(box, polygon))], "coco")
    (entry,) = read_entries(folder)
    assert entry["provenance"]["made_by"] == "mixed"
    assert entry["score"] == 0.75


@pytest.mark.slow
def test_thousands_of_objects_are_paired_in_seconds(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    random = np.random.default_rng(0)
    regions = []
    for number, (x, y) in enumerate(random.uniform(0, 950, (1000, 2))):
        box = region("boxes", Box(x, y, 20, 16), label="Galaxy", size=(1000, 1000))
        outline = Polygon(np.array([[x, y], [x + 20, y], [x + 20, y + 16], [x, y + 16]]))
        polygon = region("polygons", outline, label="Galaxy", size=(1000, 1000))
        regions += [{**box, "id": f"b{number}"}, {**polygon, "id": f"p{number}"}]
    folder, _ = run_export([task(annotation(*regions))], "ecsv", size=(1000, 1000))
    rows = Table.read(folder / "objects.ecsv")
    assert len(rows) == 1000
    assert [name[1:] for name in rows["region"]] == [name[1:] for name in rows["box_region"]]
