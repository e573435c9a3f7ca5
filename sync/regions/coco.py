"""COCO: masks, polygons, boxes and key points of a JSON file, decoded with pycocotools.

The reader also restores the rotated boxes, ellipses, outlines and answers that `galaxyloop export --format coco` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sync.errors.controls import quote
from sync.geometry.shapes import Size
from sync.regions.coco_shapes import draw_point, read_keypoints, read_outline
from sync.regions.files import read_text
from sync.regions.marks import ImportedAnswer, Mark, MarkedImage, Problem, RegionsError

__all__ = ["read"]


def read(file: Path) -> tuple[list[MarkedImage], list[Problem]]:
    """Read a COCO file of instances or key points, or a list of detections.

    Returns
    -------
    images : list of MarkedImage
    problems : list of (str, str)
        Name of each annotation or image that is left out, and the reason.

    Raises
    ------
    RegionsError
        If the file is not a COCO file.
    """
    try:
        content = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise RegionsError(
            f"the file is not JSON: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if isinstance(content, list) and content and isinstance(content[0], Mapping) and "data" in content[0]:
        raise RegionsError("the file is a list of Label Studio's tasks: import it in Label Studio itself")
    if isinstance(content, list):
        content = {"annotations": content}
    if not isinstance(content, Mapping) or not isinstance(content.get("annotations"), list):
        raise RegionsError("the file is not COCO: it must be an object with the lists images, annotations and categories")
    return _CocoReader(content).read()


class _CocoReader:
    def __init__(self, content: Mapping[str, Any]) -> None:
        self._annotations = content["annotations"]
        self._images = {_key(row.get("id")): row for row in _rows(content.get("images"))}
        self._has_images = isinstance(content.get("images"), list)
        self._categories = {_key(row.get("id")): row for row in _rows(content.get("categories"))}
        self._problems: list[Problem] = []

    def read(self) -> tuple[list[MarkedImage], list[Problem]]:
        marks: dict[Any, list[Mark]] = {number: [] for number in self._images}
        for place, row in enumerate(self._annotations, start=1):
            name = f"annotation {row.get('id', place)}" if isinstance(row, Mapping) else f"annotation number {place}"
            try:
                if not isinstance(row, Mapping):
                    raise RegionsError(f"an annotation must be an object, not {quote(row)}")
                image = _key(row.get("image_id"))
                if image not in self._images and self._has_images:
                    raise RegionsError(f"the file does not list the image {quote(row.get('image_id'))}")
                marks.setdefault(image, []).extend(self._marks(name, row, self._images.get(image, {})))
            except RegionsError as error:
                self._problems.append((name, str(error)))
        images = []
        for number, image_marks in marks.items():
            try:
                images.append(self._image(number, tuple(image_marks)))
            except RegionsError as error:
                self._problems.append((f"image {number}", str(error)))
        return images, self._problems

    def _image(self, number: Any, marks: tuple[Mark, ...]) -> MarkedImage:
        row = self._images.get(number, {})
        names = tuple(str(row[key]) for key in ("original_file_name", "file_name", "coco_url") if isinstance(row.get(key), str))
        task = row.get("task", number)
        return MarkedImage(
            source=names[0] if names else f"image {number}",
            names=tuple(name for name in names if name),
            content_id=str(row.get("content_id") or ""),
            task=task if isinstance(task, int) else None,
            size=_size(row),
            marks=marks,
            answers=tuple(_answers(row)),
        )

    def _marks(self, name: str, row: Mapping[str, Any], image: Mapping[str, Any]) -> Iterator[Mark]:
        category = self._categories.get(_key(row.get("category_id")), {})
        label = str(category.get("name") or "")
        if not label and self._categories and row.get("category_id") is not None:
            raise RegionsError(f"the file does not list the category {quote(row['category_id'])}")
        score = row.get("score")
        score = float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None
        control = str(row.get("control") or "")
        points = list(read_keypoints(row, category))
        for joint, point in points:
            labels = tuple(dict.fromkeys(text for text in (joint, label) if text))
            yield Mark(f"{name}, key point {joint}".rstrip(), partial(draw_point, point), labels, score=score, control=control)
        draw = read_outline(row, _size(image), has_points=bool(points))
        if draw is not None:
            yield Mark(name, draw, (label,) if label else (), score=score, control=control)
        elif not points:
            raise RegionsError("the annotation has no box, segmentation or key point")


def _rows(rows: object) -> list[Mapping[str, Any]]:
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _key(number: object) -> object:
    return number if isinstance(number, int | str) else quote(number)


def _size(row: Mapping[str, Any]) -> Size | None:
    width, height = row.get("width"), row.get("height")
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        return width, height
    return None


def _answers(row: Mapping[str, Any]) -> Iterator[ImportedAnswer]:
    """Yield the answers about the whole image that `galaxyloop export` wrote."""
    for entry in _rows(row.get("answers")):
        value: Any = entry.get("number") if entry.get("number") is not None else "|".join(map(str, entry.get("labels") or ()))
        if isinstance(entry.get("control"), str) and isinstance(value, str | int | float) and value != "":
            score = entry.get("probability")
            yield ImportedAnswer(
                f"answer of {entry['control']}",
                entry["control"],
                value,
                float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None,
            )
