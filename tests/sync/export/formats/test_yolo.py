"""YOLO, read back by its documented rules: class, then fractions of the image's width and height."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sync.export.outlines import outline_of
from sync.geometry.corners import ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon, Size

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def labels(folder: Path, split: str = "train") -> list[list[float]]:
    (file,) = (folder / "labels" / split).glob("*.txt")
    return rows(file)


def rows(file: Path) -> list[list[float]]:
    return [[float(word) for word in line.split()] for line in file.read_text().splitlines()]


def label_files(folder: Path) -> list[list[list[float]]]:
    return [rows(file) for file in sorted((folder / "labels" / "train").glob("*.txt"))]


def read_lines(folder: Path) -> str:
    return (folder / "problems.csv").read_text()


def make_mask(fractions: list[float], size: Size) -> Mask:
    """Return the pixels whose centre is inside a segment."""
    return rasterise(Polygon(np.reshape(fractions, (-1, 2)) * size), size)


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))).filter(np.any))
def test_outlines_of_masks_with_holes_fill_to_the_same_pixels(mask: Mask) -> None:
    size = mask.shape[1], mask.shape[0]
    numbers = [float(f"{number:.9f}") for number in (outline_of(Footprint.of_mask(mask)) / size).ravel()]
    assert (make_mask(numbers, size) == mask).all()


@given(st.floats(0, 30, allow_subnormal=False), st.floats(0, 20), st.floats(0.5, 10), st.floats(0.5, 10))
def test_each_box_is_exact_to_a_thousandth_of_a_pixel(x: float, y: float, width: float, height: float) -> None:
    fractions = [float(f"{n:.9f}") for n in ((x + width / 2) / 40, (y + height / 2) / 30, width / 40, height / 30)]
    centre_x, centre_y, sides_x, sides_y = (n * side for n, side in zip(fractions, (40, 30, 40, 30), strict=True))
    back = (centre_x - sides_x / 2, centre_y - sides_y / 2, sides_x, sides_y)
    assert back == pytest.approx((x, y, width, height), abs=1e-3)


def test_boxes_alone_make_a_detection_set(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)))], "yolo")
    assert labels(folder) == [pytest.approx([1, 9 / 40, 6 / 30, 10 / 40, 6 / 30], abs=1e-8)]
    settings = yaml.safe_load((folder / "data.yaml").read_text())
    assert settings == {
        "train": "images/train",
        "val": "images/train",
        "names": {0: "Galaxy", 1: "Star", 2: "Arm", 3: "Nucleus"},
    }


def test_a_rotated_box_becomes_its_upright_box_on_the_image(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(2, 3, 6, 4, 90), label="Star", size=SIZE)))], "yolo")
    # The box extends from x = -2 to 2 and from y = 3 to 9.
    assert labels(folder) == [pytest.approx([1, 1 / 40, 6 / 30, 2 / 40, 6 / 30], abs=1e-8)]


def test_every_label_file_has_an_image_of_its_name(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    annotations = [annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)) for _ in range(3)]
    folder, _ = run_export([task(note) for note in annotations], "yolo")
    images = {file.stem for file in (folder / "images" / "train").iterdir()}
    assert images == {file.stem for file in (folder / "labels" / "train").iterdir()}
    assert len(images) == 3
    for file in (folder / "images" / "train").iterdir():
        assert Image.open(file).size == SIZE


def test_masks_polygons_and_ellipses_make_a_segmentation_set(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    polygon, ellipse = Polygon(np.array([[3.0, 4], [20, 6], [11, 22]])), Ellipse(20, 15, 9, 4, 30)
    regions = (
        region("masks", ragged_mask, label="Arm", size=SIZE),
        region("polygons", polygon, label="Galaxy", size=SIZE),
        region("ellipses", ellipse, label="Galaxy", size=SIZE),
    )
    folder, _ = run_export([task(annotation(*regions))], "yolo")
    first, second, third = labels(folder)
    assert (first[0], second[0], third[0]) == (2, 0, 0)
    assert (make_mask(first[1:], SIZE) == ragged_mask).all()
    assert second[1:] == pytest.approx((polygon.points / SIZE).ravel(), abs=1e-8)
    assert (make_mask(third[1:], SIZE) == rasterise(ellipse_corners(ellipse), SIZE)).all()


def test_boxes_and_masks_make_two_sets_over_the_same_images(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    regions = (
        region("masks", ragged_mask, label="Arm", size=SIZE),
        region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE),
    )
    folder, _ = run_export([task(annotation(*regions))], "yolo")
    assert [len(row) for row in labels(folder / "detect")] == [5, 5]
    assert (make_mask(labels(folder / "segment")[0][1:], SIZE) == ragged_mask).all()
    images = [next((folder / name / "images" / "train").iterdir()).read_bytes() for name in ("detect", "segment")]
    assert images[0] == images[1]


def test_unsupported_objects_and_missing_images_are_listed(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    point = region("points", Point(12.5, 7.25), label="Nucleus", size=SIZE)
    box = region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)
    tasks = [task(annotation(point, box)), task(annotation(box), image="/data/upload/1/missing.png")]
    folder, summary = run_export(tasks, "yolo")
    assert (summary.tasks, summary.objects, summary.problems) == (1, 1, 2)
    assert "1 of 'points' are left out: yolo cannot represent key points" in read_lines(folder)
    assert "YOLO needs the image file" in read_lines(folder)
    assert len(labels(folder)) == 1


# --- marked objects are never exported as background


def test_an_outline_adds_a_box_to_the_detection_set(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    task_with_box = task(annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)))
    task_with_mask = task(annotation(region("masks", ragged_mask, label="Galaxy", size=SIZE)))
    folder, _ = run_export([task_with_box, task_with_mask], "yolo")
    first, second = label_files(folder / "detect")
    assert first == [pytest.approx([1, 9 / 40, 6 / 30, 10 / 40, 6 / 30], abs=1e-8)]
    # The mask extends from (5, 4) to (40, 30).
    assert second == [pytest.approx([0, 22.5 / 40, 17 / 30, 35 / 40, 26 / 30], abs=1e-8)]


def test_a_box_and_an_outline_of_one_object_are_one_box(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    ellipse = region("ellipses", Ellipse(20, 15, 9, 4, 0), label="Galaxy", size=SIZE)
    box = region("boxes", Box(10, 10, 20, 10), label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(ellipse, box))], "yolo")
    assert labels(folder / "detect") == [pytest.approx([0, 20 / 40, 15 / 30, 20 / 40, 10 / 30], abs=1e-8)]
    assert len(labels(folder / "segment")) == 1


def test_images_with_a_box_only_are_not_in_the_segmentation_set(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    ellipse = region("ellipses", Ellipse(20, 15, 9, 4, 0), label="Galaxy", size=SIZE)
    star, galaxy = (region("boxes", Box(1, 1, 6, 6), label=label, size=SIZE) for label in ("Star", "Galaxy"))
    notes = {"outlined": [ellipse], "boxed": [star], "half": [ellipse, galaxy], "of two classes": [ellipse, star], "empty": []}
    tasks = [task(annotation(*regions), image=f"{name}.png") for name, regions in notes.items()]
    folder, summary = run_export(tasks, "yolo")
    names = {file.stem.split("-")[1] for file in (folder / "segment" / "images" / "train").iterdir()}
    assert names == {"outlined", "of_two_classes", "empty"}
    assert len(label_files(folder / "detect")) == summary.tasks == 5
    assert "2 tasks of train are left out of segment/, where 3 remain" in read_lines(folder)


def test_rotated_boxes_are_listed(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = run_export([task(annotation(region("boxes", Box(9, 3, 6, 4, 30), label="Star", size=SIZE)))], "yolo")
    assert "1 rotated boxes are written as the upright boxes around them" in read_lines(folder)


def test_a_set_names_only_splits_that_hold_an_image(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    annotations = [annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)) for _ in range(2)]
    folder, summary = run_export(
        [task(note) for note in annotations], "yolo", fractions={"train": 0.8, "validation": 0.1, "test": 0.1}
    )
    settings = yaml.safe_load((folder / "data.yaml").read_text())
    assert summary.empty_splits
    assert all(any((folder / settings[side]).iterdir()) for side in settings.keys() - {"names"})


def test_splits_have_the_names_of_yolo(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    annotations = [annotation(region("boxes", Box(4, 3, 10, 6), label="Star", size=SIZE)) for _ in range(10)]
    folder, _ = run_export(
        [task(note) for note in annotations], "yolo", fractions={"train": 0.8, "validation": 0.1, "test": 0.1}
    )
    settings = yaml.safe_load((folder / "data.yaml").read_text())
    assert [settings[name] for name in ("train", "val", "test")] == ["images/train", "images/val", "images/test"]
    assert [len(list((folder / settings[name]).iterdir())) for name in ("train", "val", "test")] == [8, 1, 1]


def test_a_set_without_an_image_is_not_written(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[2:9, 3:12] = True
    regions = [
        region("masks", mask, label="Galaxy", size=SIZE),
        region("boxes", Box(20, 10, 9, 9), label="Galaxy", size=SIZE),
    ]
    folder, _ = run_export([task(annotation(*regions))], "yolo")
    assert (folder / "detect" / "data.yaml").is_file()
    assert not (folder / "segment").exists()
    assert "1 tasks of train are left out of segment/, where 0 remain" in (folder / "problems.csv").read_text()
