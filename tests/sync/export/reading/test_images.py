"""Tasks with several images: each image is a separate image of the export, with its own file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from sync.controls import choices, rectanglelabels
from sync.geometry.shapes import Box
from sync.labelling.config import LabelConfig, parse

Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]
SIZE = (40, 30)
CONFIG = parse("""<View><Image name="cube" valueList="$pages"/><Image name="r" value="$bands.r"/>
<RectangleLabels name="boxes" toName="cube,r"><Label value="Galaxy"/></RectangleLabels>
<Choices name="kind" toName="cube"><Choice value="Spiral"/><Choice value="Smooth"/></Choices></View>""")
DATA = {"pages": ["/data/upload/1/a-one.png", "/data/upload/1/b-two.png"], "bands": {"r": "/data/upload/1/c-red.png"}}


def box(x: float, **place: Any) -> dict[str, Any]:
    return {**rectanglelabels.encode(Box(x, 5, 10, 8), control=CONFIG.controls[0], label="Galaxy", size=SIZE), **place}


def kind(label: str) -> dict[str, Any]:
    return choices.encode([label], control=CONFIG.controls[1])


@pytest.fixture
def two_images(task: Say, annotation: Say) -> list[dict[str, Any]]:
    """Return a task with a box on page 2 and one on the other image, and a task with a box on page 1."""
    first = annotation(kind("Spiral"), box(1, item_index=1), box(2, to_name="r"))
    return [task(first, **DATA), task(annotation(box(3, item_index=0)), **DATA)]


def test_coco_has_each_page_with_its_own_file(run_export: Exported, two_images: list[dict[str, Any]]) -> None:
    folder, _ = run_export(two_images, "coco", config=CONFIG, size=SIZE)
    assert "- Images: 4 exported of 4 with an annotation." in (folder / "README.md").read_text()
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    images = {image["id"]: image for image in coco["images"]}
    places = {number: (image["task"], image["image"], image["page"]) for number, image in images.items()}
    assert sorted(places.values()) == [(1, "cube", 0), (1, "cube", 1), (1, "r", 0), (2, "cube", 0)]
    assert [places[entry["image_id"]] for entry in coco["annotations"]] == [(1, "cube", 1), (1, "r", 0), (2, "cube", 0)]
    assert [entry["bbox"][0] for entry in coco["annotations"]] == pytest.approx([1, 2, 3])
    assert {image["coco_url"] for image in coco["images"]} == {*DATA["pages"], DATA["bands"]["r"]}  # type: ignore[index]
    assert sorted(path.name for path in (folder / "images").iterdir()) == sorted(image["file_name"] for image in coco["images"])
    assert [image["file_name"] for image in coco["images"]][1] == "000001-cube-1-b-two.png"
    assert [[answer["labels"] for answer in image["answers"]] for image in coco["images"]] == [[["Spiral"]], [], [], []]


def test_yolo_and_parquet_have_each_page(run_export: Exported, two_images: list[dict[str, Any]]) -> None:
    folder, _ = run_export(two_images, "yolo", config=CONFIG, size=SIZE)
    labels = {path.stem: path.read_text() for path in folder.rglob("labels/train/*.txt")}
    assert {name for name, lines in labels.items() if lines} == {
        "000001-cube-1-b-two", "000001-r-0-c-red", "000002-cube-0-a-one"
    }  # fmt: skip
    folder, _ = run_export(two_images, "parquet", config=CONFIG, size=SIZE)
    (file,) = folder.rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    assert [(row["task"], row["image_name"], row["page"], len(row["objects"])) for row in rows] == [
        (1, "cube", 0, 0), (1, "cube", 1, 1), (1, "r", 0, 1), (2, "cube", 0, 1)
    ]  # fmt: skip


def test_catalogues_and_masks_name_the_page(run_export: Exported, two_images: list[dict[str, Any]]) -> None:
    folder, _ = run_export(two_images, "ecsv", config=CONFIG, size=SIZE)
    (file,) = folder.glob("*.ecsv")
    rows = Table.read(file)
    places = [(row["task"], row["image_name"], row["page"], row["image"]) for row in rows if row["kind"] == "box"]
    assert places == [(1, "cube", 1, DATA["pages"][1]), (1, "r", 0, DATA["bands"]["r"]), (2, "cube", 0, DATA["pages"][0])]  # type: ignore[index]
    folder, _ = run_export(two_images, "fits", config=CONFIG, size=SIZE)
    headers = [fits.getheader(path) for path in sorted(folder.rglob("*.fits.gz"))]
    assert [(header["TASK"], header["IMAGE"], header["PAGE"]) for header in headers] == [
        (1, "cube", 1), (1, "r", 0), (2, "cube", 0)
    ]  # fmt: skip


def test_label_studio_json_has_the_task_unchanged(run_export: Exported, two_images: list[dict[str, Any]]) -> None:
    folder, _ = run_export(two_images, "json", config=CONFIG)
    tasks = json.loads((folder / "train.json").read_text())
    assert [task["id"] for task in tasks] == [1, 2]
    for before, after in zip(two_images, tasks, strict=True):
        regions = [
            {key: value for key, value in region.items() if key != "provenance"} for region in after["annotations"][0]["result"]
        ]
        assert sorted(regions, key=str) == sorted(before["annotations"][0]["result"], key=str)
        assert after["data"] == before["data"]


def test_a_consensus_names_its_page(run_export: Exported, task: Say, annotation: Say) -> None:
    voters = [annotation(kind("Spiral"), box(x, item_index=1), by=by) for by, x in ((1, 1.0), (2, 2.0))]
    folder, _ = run_export([task(*voters, **DATA)], "json", config=CONFIG, consensus="majority")
    ((answer, box_region),) = (
        exported_task["annotations"][0]["result"] for exported_task in json.loads((folder / "train.json").read_text())
    )
    assert ("item_index" in answer, box_region["to_name"], box_region["item_index"]) == (False, "cube", 1)
    assert box_region["value"]["x"] == pytest.approx(1.5 / 40 * 100)


def test_a_page_whose_predicted_regions_were_deleted_is_empty(run_export: Exported, task: Say, annotation: Say) -> None:
    correction = annotation(box(1, item_index=1), parent_prediction=3)
    folder, summary = run_export([task(correction, **DATA)], "coco", config=CONFIG, size=SIZE)
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert (len(coco["images"]), len(coco["annotations"]), summary.problems) == (3, 1, 0)


def test_a_region_beyond_the_pages_is_listed(run_export: Exported, task: Say, annotation: Say) -> None:
    two_images = annotation(box(1, item_index=1), box(1, item_index=2))
    folder, summary = run_export([task(two_images, **DATA)], "coco", config=CONFIG, size=SIZE)
    assert summary.problems == 1
    assert "page 3 of 'cube'" in (folder / "problems.csv").read_text()


def test_the_images_of_a_task_are_in_one_split(run_export: Exported, task: Say, annotation: Say) -> None:
    tasks = []
    for number in range(20):
        pages = [f"/data/upload/1/{number}-{page}.png" for page in range(2)]
        boxes = [box(1, item_index=page) for page in range(2)]
        tasks.append(task(annotation(*boxes), pages=pages, bands={"r": f"/data/upload/1/{number}-r.png"}))
    folder, _ = run_export(tasks, "coco", config=CONFIG, size=SIZE, fractions={"train": 0.5, "test": 0.5})
    sides = [
        {image["task"] for image in json.loads((folder / "annotations" / f"{split}.json").read_text())["images"]}
        for split in ("train", "test")
    ]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


def test_tasks_of_one_image_are_named_as_before(
    run_export: Exported, config: LabelConfig, task: Say, annotation: Say, region: Say
) -> None:
    box_region = region("boxes", Box(1, 1, 5, 5), label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(box_region))], "coco", config=config, size=SIZE)
    (image,) = json.loads((folder / "annotations" / "train.json").read_text())["images"]
    assert (image["id"], image["file_name"]) == (1, "000001-0123abcd-galaxy1.png")
    assert "page" not in image
