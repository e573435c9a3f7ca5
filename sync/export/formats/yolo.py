"""YOLO as Ultralytics documents it: `data.yaml`, and for each split a folder of images and a folder of labels.

A line of a label file is one object: its class number, followed by the centre and the sides of a box, or by the corners of the
outline of a segment, all as fractions of the image's width and height. Boxes make a detection data set; masks, polygons and
ellipses make a segmentation data set. YOLO reads a file with boxes and segments as boxes only. If a project has both, the
exporter writes two data sets: `detect/`, with a box for each object, and `segment/`, without the images on which a marked
object has no outline. YOLO trains on everything without a line in the label file as background.

A YOLO segment is one ring. The parts and holes of a mask are joined by bridges: pairs of coincident edges that enclose no area.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from sync.errors.images import ImageError
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.first_pass import OUTLINES
from sync.export.image_files import ImageFile, name_of
from sync.export.outlines import outline_of
from sync.export.pairing import same_boxes
from sync.export.records import Record
from sync.export.texts import UNICODE, Texts
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box

__all__ = ["FOLDERS", "write"]

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
"""Maps the names of the splits to YOLO's names."""

ONE_LINE = 10**9
"""Line width for YAML, characters: long names are not wrapped."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write one data set, or two if the project has both boxes and outlines; tasks without an image file are left out."""
    has_both = "box" in dataset.kinds and bool(dataset.kinds & OUTLINES)
    sets = {"detect": _boxes, "segment": _segments} if has_both else {"": _segments if dataset.kinds & OUTLINES else _boxes}
    label_counts: Counter[tuple[str, str]] = Counter()
    rotated_counts: Counter[str] = Counter()

    def write_record(record: Record) -> None:
        image_file = record.image_file
        if not isinstance(image_file, ImageFile):
            raise ImageError(f"YOLO needs the image file: {image_file}")
        omitted_folders = {"segment"} if _lacks_an_outline(record, dataset) else set()
        lines = {name: "".join(lines_of(record, dataset)) for name, lines_of in sets.items() if name not in omitted_folders}
        first: Path | None = None
        for name, text in lines.items():
            file = _place(folder / name, "images", FOLDERS[record.split]) / name_of(record, image_file.suffix)
            if first is None:
                file.write_bytes(image_file.content)
                first = file
            else:
                _repeat(first, file)
            labels = _place(folder / name, "labels", FOLDERS[record.split]) / f"{file.stem}.txt"
            labels.write_text(text, encoding="ascii")
            label_counts[name, record.split] += 1
        shapes = [(obj.merged_box or obj).shape for obj in record.objects]
        rotated_counts["boxes"] += sum(isinstance(shape, Box) and shape.rotation != 0 for shape in shapes)

    dataset.write_each(records, write_record)
    for name in sets:
        splits = [split for split in dataset.splits if label_counts[name, split]]
        if splits or not has_both:  # a data set without an image cannot be opened
            _describe(folder / name, dataset, splits)
    if rotated_counts["boxes"]:
        dataset.report(
            f"{rotated_counts['boxes']:,} rotated boxes are written as the upright boxes around them, "
            "since YOLO has no rotated boxes",
            task=None,
        )
    if has_both:
        _report_segments(label_counts, dataset)


def _boxes(record: Record, dataset: Dataset) -> list[str]:
    """Return the lines of the drawn boxes, and of the boxes around outlines without a drawn box."""
    boxes = [obj for obj in record.objects if obj.kind == "box"]
    outlined_objects = [obj for obj in record.objects if obj.kind in OUTLINES]
    same = same_boxes(outlined_objects, boxes)
    further = [obj for obj, is_drawn in zip(outlined_objects, same, strict=True) if not is_drawn]
    return [_line(obj, _centre_and_sides(obj), dataset) for obj in (*boxes, *further)]


def _segments(record: Record, dataset: Dataset) -> list[str]:
    return [_line(obj, _ring(obj), dataset) for obj in record.objects if obj.kind in OUTLINES]


def _lacks_an_outline(record: Record, dataset: Dataset) -> bool:
    """Return whether an object on the image has a box and no outline: a segmentation model would train on it as background.

    True if the image has boxes and no outline at all, or if a box of a class that has outlines elsewhere has none.
    """
    boxes = [obj for obj in record.objects if obj.kind == "box"]
    outlined_objects = [obj for obj in record.objects if obj.kind in OUTLINES]
    bare = (box for box, is_outlined in zip(boxes, same_boxes(boxes, outlined_objects), strict=True) if not is_outlined)
    return bool(boxes) and (not outlined_objects or any(box.label in dataset.outlined_classes for box in bare))


def _report_segments(label_counts: Counter[tuple[str, str]], dataset: Dataset) -> None:
    """Report, for each split, how many tasks of `detect/` are missing in `segment/`."""
    for split in dataset.splits:
        missing_names = label_counts["detect", split] - label_counts["segment", split]
        if missing_names:
            dataset.report(
                f"{missing_names:,} tasks of {split} are left out of segment/, where {label_counts['segment', split]:,} "
                "remain: a model would learn objects with a box only as background",
                task=None,
            )


def _repeat(first: Path, file: Path) -> None:
    """Create `file` as a hard link to `first`, or as a copy if the file system has no hard links."""
    try:
        os.link(first, file)
    except OSError:
        shutil.copyfile(first, file)


def _place(folder: Path, kind: str, split: str) -> Path:
    place = folder / kind / split
    place.mkdir(parents=True, exist_ok=True)
    return place


def _describe(folder: Path, dataset: Dataset, label_counts: list[str]) -> None:
    """Write `data.yaml` with the splits that hold a task.

    YOLO requires a training and a validation split: a missing one refers to the first that there is.
    """
    first = FOLDERS[label_counts[0]] if label_counts else "train"
    sides = {"train": first, "val": first} | {FOLDERS[split]: FOLDERS[split] for split in label_counts}
    texts = Texts(UNICODE, format="YOLO", report=dataset.report)
    folders = {side: f"images/{split}" for side, split in sides.items()}
    names = {number: texts(label) for number, label in enumerate(dataset.labels)}
    folder.mkdir(exist_ok=True)
    # ASCII with YAML's escapes: readers assume different encodings, and some strip other characters.
    with (folder / "data.yaml").open("w", encoding="ascii") as file:
        yaml.safe_dump(folders | {"names": names}, file, allow_unicode=False, sort_keys=False, width=ONE_LINE)


def _line(obj: DrawnObject, numbers: NDArray[np.float64], dataset: Dataset) -> str:
    fractions = (numbers / obj.size).ravel().tolist()
    return str(dataset.labels.index(obj.label)) + " %.9f" * len(fractions) % tuple(fractions) + "\n"


def _centre_and_sides(obj: DrawnObject) -> NDArray[np.float64]:
    """Return the centre and the sides of the upright box around an object, clipped to the image, shape (2, 2), pixels."""
    box = obj.box()
    assert box is not None
    return np.array([[box.x + box.width / 2, box.y + box.height / 2], [box.width, box.height]])


def _ring(obj: DrawnObject) -> NDArray[np.float64]:
    """Return the corners (x, y) of an outline, clipped to the image, shape (n, 2), pixels."""
    return outline_of(obj.shape) if isinstance(obj.shape, Footprint) else obj.ring()
