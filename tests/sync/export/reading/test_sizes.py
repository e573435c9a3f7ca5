"""Regions are exported in the image's own pixels, whatever image size they state."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from sync.geometry.shapes import Box

PICTURE = (200, 100)
STATED: list[dict[str, Any]] = [
    {},
    {"original_width": None, "original_height": 0},
    {"original_width": 100, "original_height": 50},
    {"original_width": "200", "original_height": 100.0},
]
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture(params=STATED)
def drawn(request: pytest.FixtureRequest, task: Say, annotation: Say, region: Say) -> dict[str, Any]:
    """Return a task with a box, at (20, 20) percent, with or without a stated image size."""
    made = region("boxes", Box(40, 20, 30, 30), label="Galaxy", size=PICTURE)
    bare = {key: value for key, value in made.items() if not key.startswith("original_")}
    return task(annotation(bare | request.param))


def test_coco_has_the_pictures_size_and_pixels(exported: Exported, drawn: dict[str, Any]) -> None:
    folder, _ = exported([drawn], "coco", size=PICTURE)
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert [(image["width"], image["height"]) for image in coco["images"]] == [PICTURE]
    assert [one["bbox"] for one in coco["annotations"]] == [pytest.approx([40, 20, 30, 30])]


def test_yolo_has_fractions_of_the_picture(exported: Exported, drawn: dict[str, Any]) -> None:
    folder, _ = exported([drawn], "yolo", size=PICTURE)
    (file,) = (folder / "labels" / "train").iterdir()
    assert [float(number) for number in file.read_text().split()] == pytest.approx([0, 0.275, 0.35, 0.15, 0.3])


def test_parquet_has_the_pictures_size_and_pixels(exported: Exported, drawn: dict[str, Any]) -> None:
    folder, _ = exported([drawn], "parquet", size=PICTURE)
    (row,) = pq.read_table(next((folder / "data").iterdir())).to_pylist()
    assert (row["width"], row["height"]) == PICTURE
    assert row["objects"][0]["bbox"] == pytest.approx([40, 20, 30, 30])


@pytest.mark.parametrize(
    ("format", "file"), [("ecsv", "objects.ecsv"), ("votable", "objects.vot"), ("fits-table", "objects.fits")]
)
def test_catalogues_have_the_pictures_pixels(exported: Exported, drawn: dict[str, Any], format: str, file: str) -> None:
    folder, _ = exported([drawn], format, size=PICTURE)
    (row,) = Table.read(folder / file)
    assert [row["x"], row["y"], row["box_x"], row["box_width"]] == pytest.approx([55, 35, 40, 30])


def test_json_keeps_the_region_as_it_is(exported: Exported, drawn: dict[str, Any]) -> None:
    folder, done = exported([drawn], "json", size=PICTURE)
    (kept,) = json.loads((folder / "train.json").read_text())[0]["annotations"][0]["result"]
    assert {key: kept[key] for key in drawn["annotations"][0]["result"][0]} == drawn["annotations"][0]["result"][0]
    assert done.problems == 0


@pytest.mark.parametrize("scale", [1, 2])
def test_fits_masks_are_as_large_as_the_picture(
    exported: Exported, task: Say, annotation: Say, region: Say, scale: int
) -> None:
    width, height = PICTURE[0] // scale, PICTURE[1] // scale
    mask = np.zeros((height, width), bool)
    mask[20 // scale : 50 // scale, 40 // scale : 70 // scale] = True
    stroke = region("masks", mask, label="Galaxy", size=(width, height))
    folder, _ = exported([task(annotation(stroke))], "fits", size=PICTURE)
    (file,) = (folder / "train").iterdir()
    with fits.open(file) as opened:
        expected = np.zeros(PICTURE[::-1], bool)
        expected[20:50, 40:70] = True
        assert ((opened["INSTANCE"].data[::-1] > 0) == expected).all()


@pytest.mark.parametrize("consensus", ["latest", "majority", "all"])
def test_annotators_whose_regions_state_different_sizes_are_compared_on_the_picture(
    exported: Exported, task: Say, annotation: Say, region: Say, consensus: str
) -> None:
    notes = []
    for person, stated in enumerate(STATED[1:], start=1):
        made = region("boxes", Box(40, 20, 30, 30), label="Galaxy", size=PICTURE)
        notes.append(annotation({**made, **stated}, by=person, at=f"2026-11-0{person}T10:00:00Z"))
    folder, done = exported([task(*notes)], "coco", size=PICTURE, consensus=consensus)
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert all(one["bbox"] == pytest.approx([40, 20, 30, 30]) for one in coco["annotations"])
    assert done.objects == (3 if consensus == "all" else 1)


def test_another_size_than_the_pictures_is_listed_once_a_task(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    boxes = [region("boxes", Box(x, 2, 3, 4), label="Galaxy", size=(100, 50)) for x in (1, 9)]
    folder, done = exported([task(annotation(*boxes))], "ecsv", size=PICTURE)
    assert (done.objects, done.problems) == (2, 1)
    assert "has 200x100 pixels, and was annotated with 100x50" in (folder / "problems.csv").read_text()


def test_without_the_picture_the_stated_size_is_taken_and_that_is_listed(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    said = annotation(region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=(100, 50)))
    folder, done = exported([task(said, image="/data/upload/1/missing.png")], "ecsv", size=PICTURE)
    assert (done.objects, done.problems) == (1, 1)
    (row,) = Table.read(folder / "objects.ecsv")
    assert row["box_width"] == pytest.approx(3)


def test_without_the_picture_and_a_size_the_region_is_listed(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    said = region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=(100, 50))
    del said["original_width"]
    lost = task(annotation(said), image="/data/upload/1/missing.png")
    folder, _ = exported([lost, task(annotation(region("morphology", ["Spiral"])))], "ecsv", size=PICTURE)
    with (folder / "problems.csv").open() as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert any("nothing tells the size of the picture" in reason for reason in reasons)


def test_labels_are_exported_as_the_config_stores_them(exported: Exported, task: Say, annotation: Say, region: Say) -> None:
    said = region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=PICTURE)
    said["value"]["rectanglelabels"] = [" galaxy"]
    folder, _ = exported([task(annotation(said))], "ecsv", size=PICTURE)
    (row,) = Table.read(folder / "objects.ecsv")
    assert row["class"] == "Galaxy"
