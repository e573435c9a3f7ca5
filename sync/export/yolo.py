"""YOLO as Ultralytics documents it: `data.yaml`, and for each split a folder of images and one of labels.

A line of a label file is one object: its class number, and then of a box the centre and the sides, of a segment the corners
of one outline, all as fractions of the image's width and height. Boxes make a data set for detection; masks, polygons and
ellipses one for segmentation. YOLO reads a file of boxes and segments as boxes alone, so where a project has both, two data
sets are written, `detect/` and `segment/`, over the same images.

An outline is one ring in YOLO. The parts of a mask, and its holes, are joined by bridges: two edges on top of each other,
which enclose nothing. Outlines of masks run between the pixels in and out, so the pixels whose middle lies inside are the
mask's exactly.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from sync.controls.polygonlabels import joined
from sync.controls.shapes import Polygon, Size
from sync.export.dataset import Dataset, readable_pictures
from sync.export.footprints import Footprint, ellipse_corners
from sync.export.pictures import name_of
from sync.export.records import DrawnObject, Record

__all__ = ["FOLDERS", "outline_of", "write"]

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
"""Names of the splits, as YOLO calls them."""

HALF_WAY = 0.5
"""Between 0, out, and 1, in."""

_SEGMENTED = frozenset({"mask", "polygon", "ellipse"})


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write one data set, or two where there are both boxes and outlines; what has no image is left out."""
    both = "box" in dataset.kinds and bool(dataset.kinds & _SEGMENTED)
    wanted = {"detect": frozenset({"box"}), "segment": _SEGMENTED}
    if not both:
        wanted = {"": _SEGMENTED if dataset.kinds & _SEGMENTED else frozenset({"box"})}
    for name in wanted:
        _prepare(folder / name, dataset)
    for record, picture in readable_pictures(records, dataset):
        for one in record.objects:
            if one.kind == "keypoint":
                dataset.report("a key point has no place among YOLO's boxes and segments", task=record.task, region=one.id)
        if picture is None:
            continue
        split = FOLDERS[record.split]
        first: Path | None = None
        for name, kinds in wanted.items():
            file = folder / name / "images" / split / name_of(record, picture.suffix)
            if first is None:
                file.write_bytes(picture.content)
                first = file
            else:
                _repeat(first, file)
            lines = [_line(one, dataset) for one in record.objects if one.kind in kinds]
            (folder / name / "labels" / split / f"{file.stem}.txt").write_text("".join(lines), encoding="ascii")


def _repeat(first: Path, file: Path) -> None:
    """Let `file` be `first` once more, without its bytes where the file system can."""
    try:
        os.link(first, file)
    except OSError:
        shutil.copyfile(first, file)


def outline_of(footprint: Footprint) -> NDArray[np.float64]:
    """Return one ring around a footprint, its parts and holes, shape (n, 2): corners (x, y), pixels."""
    contours = find_contours(np.pad(footprint.pixels, 1).astype(np.float32), HALF_WAY, fully_connected="low")
    rings = sorted((_without_straight(contour[:-1, ::-1]) for contour in contours), key=len, reverse=True)
    moved: NDArray[np.float64] = joined(rings) + np.array([footprint.x - 0.5, footprint.y - 0.5])
    return moved


def _prepare(folder: Path, dataset: Dataset) -> None:
    """Make the folders and `data.yaml`; YOLO demands a validation split: without one it is the training one."""
    splits = [FOLDERS[split] for split in dataset.splits]
    for split in splits:
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
    sides = {split: split for split in splits} | ({} if "val" in splits else {"val": splits[0]})
    lines = [f"{side}: images/{split}" for side, split in sides.items()]
    # JSON's strings are YAML's too.
    lines += ["names:", *(f"  {number}: {json.dumps(label)}" for number, label in enumerate(dataset.labels))]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(one: DrawnObject, dataset: Dataset) -> str:
    box = one.box() if one.kind == "box" else None
    if box is not None:
        corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
        low, high = _inside(corners, one.size)
        numbers = np.stack([(low + high) / 2, high - low])
    else:
        numbers = _ring(one)
    fractions = (numbers / one.size).ravel().tolist()
    return str(dataset.labels.index(one.label)) + " %.9f" * len(fractions) % tuple(fractions) + "\n"


def _ring(one: DrawnObject) -> NDArray[np.float64]:
    """The corners of an outline, shape (n, 2), pixels, inside the image."""
    if isinstance(one.shape, Footprint):
        return outline_of(one.shape)
    shape = one.shape if isinstance(one.shape, Polygon) else ellipse_corners(one.shape)  # type: ignore[arg-type]
    return _inside(shape.points, one.size)


def _without_straight(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop the corners at which an outline goes straight on; all its steps are halves of a pixel, so this is exact."""
    to, on = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = (to[:, 0] * on[:, 1] != to[:, 1] * on[:, 0]) | ((to * on).sum(axis=1) <= 0)
    bent: NDArray[np.float64] = ring[turns]
    return bent


def _inside(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """YOLO takes no fraction outside [0, 1]: corners beyond the image move to its border."""
    inside: NDArray[np.float64] = np.clip(points, 0, size)
    return inside
