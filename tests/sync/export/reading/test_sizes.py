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

from sync.geometry.shapes import Box, Polygon

IMAGE_SIZE = (200, 100)
STATED: list[dict[str, Any]] = [
    {},
    {"original_width": None, "original_height": 0},
    {"original_width": 100, "original_height": 50},
    {"original_width": "200", "original_height": 100.0},
]
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture(params=STATED)
def task_with_box(request: pytest.FixtureRequest, task: Say, annotation: Say, region: Say) -> dict[str, Any]:
    """Return a task with a box, at (20, 20) percent, with or without a stated image size."""
    box = region("boxes", Box(40, 20, 30, 30), label="Galaxy", size=IMAGE_SIZE)
    bare = {key: value for key, value in box.items() if not key.startswith("original_")}
    return task(annotation(bare | request.param))


def test_coco_has_the_size_and_pixels_of_the_image(run_export: Exported, task_with_box: dict[str, Any]) -> None:
    folder, _ = run_export([task_with_box], "coco", size=IMAGE_SIZE)
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert [(image["width"], image["height"]) for image in coco["images"]] == [IMAGE_SIZE]
    assert [entry["bbox"] for entry in coco["annotations"]] == [pytest.approx([40, 20, 30, 30])]


def test_yolo_has_fractions_of_the_image(run_export: Exported, task_with_box: dict[str, Any]) -> None:
    folder, _ = run_export([task_with_box], "yolo", size=IMAGE_SIZE)
    (file,) = (folder / "labels" / "train").iterdir()
    assert [float(number) for number in file.read_text().split()] == pytest.approx([0, 0.275, 0.35, 0.15, 0.3])


def test_parquet_has_the_size_and_pixels_of_the_image(run_export: Exported, task_with_box: dict[str, Any]) -> None:
    folder, _ = run_export([task_with_box], "parquet", size=IMAGE_SIZE)
    (row,) = pq.read_table(next((folder / "data").iterdir())).to_pylist()
    assert (row["width"], row["height"]) == IMAGE_SIZE
    assert row["objects"][0]["bbox"] == pytest.approx([40, 20, 30, 30])


@pytest.mark.parametrize(
    ("format", "file"), [("ecsv", "objects.ecsv"), ("votable", "objects.vot"), ("fits-table", "objects.fits")]
)
def test_catalogues_have_the_pixels_of_the_image(
    run_export: Exported, task_with_box: dict[str, Any], format: str, file: str
) -> None:
    folder, _ = run_export([task_with_box], format, size=IMAGE_SIZE)
    (row,) = Table.read(folder / file)
    assert [row["x"], row["y"], row["box_x"], row["box_width"]] == pytest.approx([55, 35, 40, 30])


def test_json_keeps_the_region_unchanged(run_export: Exported, task_with_box: dict[str, Any]) -> None:
    folder, summary = run_export([task_with_box], "json", size=IMAGE_SIZE)
    (exported_region,) = json.loads((folder / "train.json").read_text())[0]["annotations"][0]["result"]
    assert {key: exported_region[key] for key in task_with_box["annotations"][0]["result"][0]} == task_with_box["annotations"][
        0
    ]["result"][0]
    assert summary.problems == 0


@pytest.mark.parametrize("scale", [1, 2])
def test_fits_masks_have_the_size_of_the_image(
    run_export: Exported, task: Say, annotation: Say, region: Say, scale: int
) -> None:
    width, height = IMAGE_SIZE[0] // scale, IMAGE_SIZE[1] // scale
    mask = np.zeros((height, width), bool)
    mask[20 // scale : 50 // scale, 40 // scale : 70 // scale] = True
    stroke = region("masks", mask, label="Galaxy", size=(width, height))
    folder, _ = run_export([task(annotation(stroke))], "fits", size=IMAGE_SIZE)
    (file,) = (folder / "train").iterdir()
    with fits.open(file) as hdus:
        expected = np.zeros(IMAGE_SIZE[::-1], bool)
        expected[20:50, 40:70] = True
        assert ((hdus["INSTANCE"].data[::-1] > 0) == expected).all()


@pytest.mark.parametrize("consensus", ["latest", "majority", "all"])
def test_regions_of_different_stated_sizes_are_compared_on_the_image(
    run_export: Exported, task: Say, annotation: Say, region: Say, consensus: str
) -> None:
    notes = []
    for person, stated_size in enumerate(STATED[1:], start=1):
        box = region("boxes", Box(40, 20, 30, 30), label="Galaxy", size=IMAGE_SIZE)
        notes.append(annotation({**box, **stated_size}, by=person, at=f"2026-11-0{person}T10:00:00Z"))
    folder, summary = run_export([task(*notes)], "coco", size=IMAGE_SIZE, consensus=consensus)
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert all(entry["bbox"] == pytest.approx([40, 20, 30, 30]) for entry in coco["annotations"])
    assert summary.objects == (3 if consensus == "all" else 1)


@pytest.mark.parametrize("format", ["coco", "fits", "ds9", "ecsv", "votable", "fits-table", "parquet"])
def test_outlines_on_a_large_image_that_cannot_be_read_are_left_out(
    run_export: Exported, task: Say, annotation: Say, region: Say, format: str
) -> None:
    """The size is only stated: an outline on 10,000 by 10,000 pixels would take seconds and gigabytes."""
    outline = Polygon(np.array([[0, 0], [39, 0], [39, 29]], np.float64))
    small, large = (
        task(annotation(region("polygons", outline, label="Galaxy", size=size)), image=f"/data/upload/1/missing{size[0]}.png")
        for size in ((40, 30), (10_000, 10_000))
    )
    folder, _ = run_export([small, large], format)
    rows = list(csv.DictReader((folder / "problems.csv").read_text().splitlines()))
    (reason,) = (row["reason"] for row in rows if row["task"] == "2")
    assert reason == (
        "the image is left out: it cannot be read, and the 10000x10000 pixels that its regions state are more than 25,000,000"
    )


def test_a_wrong_stated_size_is_listed_once_per_task(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    boxes = [region("boxes", Box(x, 2, 3, 4), label="Galaxy", size=(100, 50)) for x in (1, 9)]
    folder, summary = run_export([task(annotation(*boxes))], "ecsv", size=IMAGE_SIZE)
    assert (summary.objects, summary.problems) == (2, 1)
    assert "has 200x100 pixels, and the annotated one had 100x50" in (folder / "problems.csv").read_text()


def test_without_the_image_the_stated_size_is_used_and_listed(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    note = annotation(region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=(100, 50)))
    folder, summary = run_export([task(note, image="/data/upload/1/missing.png")], "ecsv", size=IMAGE_SIZE)
    assert (summary.objects, summary.problems) == (1, 1)
    (row,) = Table.read(folder / "objects.ecsv")
    assert row["box_width"] == pytest.approx(3)


def test_without_the_image_and_a_size_the_region_is_listed(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=(100, 50))
    del box["original_width"]
    lost_task = task(annotation(box), image="/data/upload/1/missing.png")
    folder, _ = run_export([lost_task, task(annotation(region("morphology", ["Spiral"])))], "ecsv", size=IMAGE_SIZE)
    with (folder / "problems.csv").open() as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert any("the size of the image is unknown" in reason for reason in reasons)


def test_labels_are_exported_as_the_config_stores_them(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Galaxy", size=IMAGE_SIZE)
    box["value"]["rectanglelabels"] = [" galaxy"]
    folder, _ = run_export([task(annotation(box))], "ecsv", size=IMAGE_SIZE)
    (row,) = Table.read(folder / "objects.ecsv")
    assert row["class"] == "Galaxy"
