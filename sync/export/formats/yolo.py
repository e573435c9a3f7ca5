"""YOLO as Ultralytics documents it: `data.yaml`, and for each split a folder of images and one of labels.

A line of a label file is one object: its class number, and then of a box the centre and the sides, of a segment the corners
of one outline, all as fractions of the image's width and height. Boxes make a data set for detection; masks, polygons and
ellipses one for segmentation. YOLO reads a file of boxes and segments as boxes alone, so where a project has both, two data
sets are written: `detect/`, with a box for each object, and `segment/`, with the images on which all that was marked is
outlined. What an image shows without a line in its label file is background to YOLO.

An outline is one ring in YOLO. The parts of a mask, and its holes, are joined by bridges: two edges on top of each other,
which enclose nothing.
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
from sync.export.first_pass import OUTLINES
from sync.export.outlines import outline_of
from sync.export.pairing import same_boxes
from sync.export.pictures import Picture, name_of
from sync.export.records import DrawnObject, Record
from sync.export.texts import UNICODE, Texts
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box

__all__ = ["FOLDERS", "write"]

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
"""Names of the splits, as YOLO calls them."""

ONE_LINE = 10**9
"""Characters: no name is folded."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write one data set, or two where there are both boxes and outlines; what has no image is left out."""
    both = "box" in dataset.kinds and bool(dataset.kinds & OUTLINES)
    sets = {"detect": _boxes, "segment": _segments} if both else {"": _segments if dataset.kinds & OUTLINES else _boxes}
    used: Counter[tuple[str, str]] = Counter()
    turned: Counter[str] = Counter()

    def write_record(record: Record) -> None:
        picture = record.picture
        if not isinstance(picture, Picture):
            raise ImageError(f"YOLO needs its file: {picture}")
        omitted = {"segment"} if _lacks_an_outline(record, dataset) else set()
        lines = {name: "".join(lines_of(record, dataset)) for name, lines_of in sets.items() if name not in omitted}
        first: Path | None = None
        for name, text in lines.items():
            file = _place(folder / name, "images", FOLDERS[record.split]) / name_of(record, picture.suffix)
            if first is None:
                file.write_bytes(picture.content)
                first = file
            else:
                _repeat(first, file)
            labels = _place(folder / name, "labels", FOLDERS[record.split]) / f"{file.stem}.txt"
            labels.write_text(text, encoding="ascii")
            used[name, record.split] += 1
        drawn = [(one.boxed or one).shape for one in record.objects]
        turned["boxes"] += sum(isinstance(shape, Box) and shape.rotation != 0 for shape in drawn)

    dataset.write_each(records, write_record)
    for name in sets:
        _describe(folder / name, dataset, [split for split in dataset.splits if used[name, split]])
    if turned["boxes"]:
        dataset.report(
            f"{turned['boxes']:,} turned boxes are written as the upright boxes around them, as YOLO has no others", task=None
        )
    if both:
        _report_segments(used, dataset)


def _boxes(record: Record, dataset: Dataset) -> list[str]:
    """Lines of boxes: those that were drawn, and those around outlines on which none was drawn."""
    drawn = [one for one in record.objects if one.kind == "box"]
    outlined = [one for one in record.objects if one.kind in OUTLINES]
    same = same_boxes(outlined, drawn)
    further = [one for one, is_drawn in zip(outlined, same, strict=True) if not is_drawn]
    return [_line(one, _centre_and_sides(one), dataset) for one in (*drawn, *further)]


def _segments(record: Record, dataset: Dataset) -> list[str]:
    return [_line(one, _ring(one), dataset) for one in record.objects if one.kind in OUTLINES]


def _lacks_an_outline(record: Record, dataset: Dataset) -> bool:
    """Whether something on the image has a box and no outline: a segmentation would be taught that it is background.

    So it is where nothing at all was outlined, and where a box of a class that is outlined elsewhere has no outline in it.
    """
    boxes = [one for one in record.objects if one.kind == "box"]
    outlined = [one for one in record.objects if one.kind in OUTLINES]
    bare = (box for box, is_outlined in zip(boxes, same_boxes(boxes, outlined), strict=True) if not is_outlined)
    return bool(boxes) and (not outlined or any(box.label in dataset.outlined for box in bare))


def _report_segments(used: Counter[tuple[str, str]], dataset: Dataset) -> None:
    """Say how much smaller `segment/` is, split by split."""
    for split in dataset.splits:
        missing = used["detect", split] - used["segment", split]
        if missing:
            dataset.report(
                f"{missing:,} tasks of {split} are left out of segment/, where {used['segment', split]:,} remain: what has a "
                "box and no outline would be learnt as background",
                task=None,
            )


def _repeat(first: Path, file: Path) -> None:
    """Let `file` be `first` once more, without its bytes where the file system can."""
    try:
        os.link(first, file)
    except OSError:
        shutil.copyfile(first, file)


def _place(folder: Path, kind: str, split: str) -> Path:
    place = folder / kind / split
    place.mkdir(parents=True, exist_ok=True)
    return place


def _describe(folder: Path, dataset: Dataset, used: list[str]) -> None:
    """Write `data.yaml` of the splits that hold a task; YOLO demands a validation split: without one it is the training one."""
    sides = {"train": "train", "val": "train"} | {FOLDERS[split]: FOLDERS[split] for split in used}
    texts = Texts(UNICODE, format="YOLO", report=dataset.report)
    described = {side: f"images/{split}" for side, split in sides.items()}
    names = {number: texts(label) for number, label in enumerate(dataset.labels)}
    folder.mkdir(exist_ok=True)
    # ASCII with YAML's escapes: readers differ in the encoding that they take a file to have, and strip what is no plain text.
    with (folder / "data.yaml").open("w", encoding="ascii") as file:
        yaml.safe_dump(described | {"names": names}, file, allow_unicode=False, sort_keys=False, width=ONE_LINE)


def _line(one: DrawnObject, numbers: NDArray[np.float64], dataset: Dataset) -> str:
    fractions = (numbers / one.size).ravel().tolist()
    return str(dataset.labels.index(one.label)) + " %.9f" * len(fractions) % tuple(fractions) + "\n"


def _centre_and_sides(one: DrawnObject) -> NDArray[np.float64]:
    """Of the upright box around an object, shape (2, 2), pixels, inside the image."""
    box = one.box()
    assert box is not None
    return np.array([[box.x + box.width / 2, box.y + box.height / 2], [box.width, box.height]])


def _ring(one: DrawnObject) -> NDArray[np.float64]:
    """The corners of an outline, shape (n, 2), pixels, inside the image."""
    return outline_of(one.shape) if isinstance(one.shape, Footprint) else one.ring()
