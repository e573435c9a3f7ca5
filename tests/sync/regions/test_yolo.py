"""YOLO: numbers are fractions of the image's sides; only names are read from `data.yaml`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sync.geometry.corners import box_corners
from sync.geometry.shapes import Box, Point, Polygon
from sync.regions import yolo
from sync.regions.marks import Canvas, RegionsError

CANVAS = Canvas((64, 48))


def data_set(folder: Path, lines: str, description: str = "names: [Galaxy, Star]\n") -> Path:
    (folder / "labels" / "train").mkdir(parents=True)
    (folder / "data.yaml").write_text(description)
    (folder / "labels" / "train" / "galaxy.txt").write_text(lines)
    return folder


@pytest.mark.parametrize(
    "names", ["names: [Galaxy, Star]", "names:\n  0: Galaxy\n  1: Star", "nc: 2\nnames: {'0': Galaxy, '1': Star}"]
)
def test_a_box_is_given_by_its_centre(tmp_path: Path, names: str) -> None:
    (image,), problems = yolo.read(data_set(tmp_path, "1 0.5 0.25 0.125 0.5\n", names))
    assert problems == []
    assert image.names == ("galaxy.txt",)
    (mark,) = image.marks
    assert mark.labels == ("Star",)
    assert mark.draw(CANVAS).shape == Box(28, 0, 8, 24)


def test_outlines_rotated_boxes_and_probabilities_are_read(tmp_path: Path) -> None:
    rotated_box = Box(20, 10, 15, 8, 30)
    corners = (box_corners(rotated_box).points / CANVAS.size).ravel()
    lines = [
        "0 0.1 0.1 0.5 0.1 0.5 0.5",
        "0 " + " ".join(f"{number:.6f}" for number in corners),
        "0 0.1 0.1 0.5 0.1 0.5 0.5 0.2 0.9",
        "0 0.5 0.5 0.2 0.2 0.75",
    ]
    (image,), problems = yolo.read(data_set(tmp_path, "\n".join(lines)))
    assert problems == []
    shapes = [mark.draw(CANVAS).shape for mark in image.marks]
    assert isinstance(shapes[0], Polygon)
    assert np.allclose(shapes[0].points, [[6.4, 4.8], [32.0, 4.8], [32.0, 24.0]])
    assert isinstance(shapes[1], Box)
    assert np.allclose(box_corners(shapes[1]).points, box_corners(rotated_box).points, atol=1e-3)
    assert shapes[1].rotation == pytest.approx(30, abs=0.01)
    assert isinstance(shapes[2], Polygon)
    assert image.marks[3].score == 0.75


def test_key_points_follow_the_box(tmp_path: Path) -> None:
    folder = data_set(tmp_path, "0 0.5 0.5 0.2 0.2 0.5 0.5 2 0 0 0", "names: [Galaxy]\nkpt_shape: [2, 3]\n")
    (image,), problems = yolo.read(folder)
    assert problems == []
    assert image.marks[0].draw(CANVAS).shape == Point(32, 24)
    assert isinstance(image.marks[1].draw(CANVAS).shape, Box)
    assert len(image.marks) == 2


@pytest.mark.parametrize(
    "line", ["0 0.1", "a 0.1 0.1 0.1 0.1", "0 10 20 300 40", "0 nan 0 0 0", "-1 0.1 0.1 0.1 0.1", "0.5 0 0 1 1", "0 1 1 1 1 7"]
)
def test_a_bad_line_is_named_and_left_out_alone(tmp_path: Path, line: str) -> None:
    (image,), problems = yolo.read(data_set(tmp_path, f"{line}\n0 0.5 0.5 0.2 0.2\n"))
    assert [name for name, _ in problems] == ["labels/train/galaxy.txt, line 1"]
    assert len(image.marks) == 1


def test_classes_without_names_are_ignored(tmp_path: Path) -> None:
    folder = data_set(tmp_path, "3 0.5 0.5 0.2 0.2\n", "nc: 4\n")
    (image,), _ = yolo.read(folder)
    assert image.marks[0].labels == ()
    (folder / "data.yaml").write_text("names: [Galaxy]\n")
    (image,), _ = yolo.read(folder)
    assert image.marks[0].labels == ("3",)


def test_links_out_of_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    folder = data_set(tmp_path / "set", "0 0.5 0.5 0.2 0.2\n", "path: ../..\ntrain: /etc\nnames: [Galaxy]\n")
    (folder / "labels" / "train" / "link.txt").symlink_to(tmp_path / "secret.txt")
    images, _ = yolo.read(folder)
    assert [image.names for image in images] == [("galaxy.txt",)]


@pytest.mark.parametrize("description", ["names: [", "!!python/object/apply:os.system [ls]", "names: {a: b}"])
def test_a_description_that_cannot_be_read_is_named(tmp_path: Path, description: str) -> None:
    with pytest.raises(RegionsError, match=r"data\.yaml"):
        yolo.read(data_set(tmp_path, "0 0.5 0.5 0.2 0.2\n", description))
