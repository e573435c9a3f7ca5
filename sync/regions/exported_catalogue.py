"""Catalogues of `galaxyloop export`: their boxes, ellipses, key points and answers, in pixels of the displayed image.

Masks and polygons are left out, since a catalogue contains only their measures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from astropy.table import Table

from sync.export.image_files import exported_stem
from sync.geometry.shapes import Box, Ellipse, Point
from sync.regions.array_shapes import box_about
from sync.regions.marks import Canvas, ImportedAnswer, Mark, MarkedImage, PlacedMark, Problem, RegionsError, Shape

__all__ = ["is_exported", "read_exported"]

COLUMNS = frozenset(
    {"task", "control", "kind", "class", "semi_major_px", "semi_minor_px", "angle_px", "box_x", "original_file_name"}
)
"""Columns that together identify a catalogue of `galaxyloop export`."""


def is_exported(table: Table) -> bool:
    """Return whether `galaxyloop export` wrote a catalogue."""
    return set(table.colnames) >= COLUMNS


def read_exported(table: Table) -> tuple[list[MarkedImage], list[Problem]]:
    """Read a catalogue of `galaxyloop export`.

    Returns
    -------
    images : list of MarkedImage
    problems : list of (str, str)
        Name of each row that is left out, and the reason.
    """
    images: dict[str, tuple[MarkedImage, list[Mark], list[ImportedAnswer]]] = {}
    problems: list[Problem] = []
    columns = {name: table[name].tolist() for name in table.colnames}
    for number in range(len(table)):
        name = f"row {number + 1}"
        row = {column: values[number] for column, values in columns.items()}
        image = _image_of(row)
        _, marks, answers = images.setdefault(image.names[0], (image, [], []))
        if _text(row["kind"]) == "image":
            answers.append(_answer_of(name, row))
            continue
        try:
            shape = _shape_of(row)
        except RegionsError as error:
            problems.append((name, str(error)))
            continue
        label = _text(row["class"])
        draw = partial(_draw, shape)
        marks.append(Mark(name, draw, (label,) if label else (), score=_score(row), control=_text(row["control"])))
    return [replace(image, marks=tuple(marks), answers=tuple(answers)) for image, marks, answers in images.values()], problems


def _image_of(row: Mapping[str, Any]) -> MarkedImage:
    """Return the image of a row, with its name in a data set, its original name, its reference and its content id."""
    task, tag, reference = int(_text(row["task"])), _text(row.get("image_name")), _text(row.get("image"))
    stem = exported_stem(task, (tag, int(row.get("page") or 0)) if tag else None, reference)
    names = (stem, _text(row["original_file_name"]), reference)
    return MarkedImage(f"task {task}", tuple(name for name in names if name), _text(row.get("content_id")))


def _answer_of(name: str, row: Mapping[str, Any]) -> ImportedAnswer:
    number = _number(row.get("value"))
    return ImportedAnswer(name, _text(row["control"]), _text(row["class"]) if np.isnan(number) else number, _score(row))


def _shape_of(row: Mapping[str, Any]) -> Shape:
    x, y, major, minor = (_number(row[name]) for name in ("x", "y", "semi_major_px", "semi_minor_px"))
    angle, kind = _number(row["angle_px"]), _text(row["kind"])
    shape: Shape
    numbers: tuple[float, ...]
    if kind == "keypoint":
        numbers, shape = (x, y), Point(x, y)
    elif kind == "ellipse":
        numbers, shape = (x, y, major, minor), Ellipse(x, y, major, minor, 0.0 if np.isnan(angle) else angle)
    elif kind == "box" and np.isnan(angle):
        left, top, width, height = numbers = tuple(_number(row[name]) for name in ("box_x", "box_y", "box_width", "box_height"))
        shape = Box(left, top, width, height)
    elif kind == "box":
        numbers, shape = (x, y, major, minor), box_about(x, y, 2 * major, 2 * minor, angle)
    else:
        raise RegionsError(f"a catalogue has only the measures of a {kind}: export coco or fits, which have its pixels")
    if not np.isfinite(numbers).all():
        raise RegionsError(f"the measures of the {kind} must be numbers")
    return shape


def _draw(shape: Shape, canvas: Canvas) -> PlacedMark:
    return PlacedMark(shape)


def _score(row: Mapping[str, Any]) -> float | None:
    probability = _number(row.get("probability"))
    return probability if 0 <= probability <= 1 else None


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _text(value: Any) -> str:
    """Return a cell as a text; empty for a masked cell, which `tolist` converts to None."""
    return "" if value is None else value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value).strip()
