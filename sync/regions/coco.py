"""COCO: masks, polygons, boxes and key points of a JSON file, decoded with pycocotools.

The reader also restores the rotated boxes, ellipses, outlines and answers that `galaxyloop export --format coco` writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.controls.polygonlabels import MAX_CORNERS
from sync.errors.controls import quote
from sync.geometry.footprint import Footprint
from sync.geometry.outlines import joined
from sync.geometry.shapes import MAX_PIXELS, Box, Ellipse, Point, Polygon, Size
from sync.regions.coco_masks import decode_mask, is_empty_mask
from sync.regions.files import read_text
from sync.regions.marks import Answer, Canvas, Drawn, Mark, MarkedImage, Problem, RegionsError, Shape

__all__ = ["read"]

BEYOND = 2
"""Largest distance of a corner from the image, in lengths of its longer side: pycocotools allocates memory per pixel of an
edge."""
CORNERS_OF_A_BOX = 4
LARGEST = 1e9
"""Largest absolute value of a coordinate, pixels."""


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
        raise RegionsError(f"it is no JSON: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from error
    if isinstance(content, list) and content and isinstance(content[0], Mapping) and "data" in content[0]:
        raise RegionsError("it is a list of Label Studio's tasks: import it in Label Studio itself")
    if isinstance(content, list):
        content = {"annotations": content}
    if not isinstance(content, Mapping) or not isinstance(content.get("annotations"), list):
        raise RegionsError("it is no COCO file: an object with the lists images, annotations and categories is needed")
    return _Reader(content).read()


class _Reader:
    def __init__(self, content: Mapping[str, Any]) -> None:
        self._annotations = content["annotations"]
        self._images = {_key(row.get("id")): row for row in _rows(content.get("images"))}
        self._listed = isinstance(content.get("images"), list)
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
                if image not in self._images and self._listed:
                    raise RegionsError(f"it is of the image {quote(row.get('image_id'))}, which the file does not list")
                marks.setdefault(image, []).extend(self._marks(name, row, self._images.get(image, {})))
            except RegionsError as error:
                self._problems.append((name, str(error)))
        images = []
        for number, held in marks.items():
            try:
                images.append(self._image(number, tuple(held)))
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
            raise RegionsError(f"it has the category {quote(row['category_id'])}, which the file does not list")
        score = row.get("score")
        score = float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None
        control = str(row.get("control") or "")
        points = list(_keypoints(row, category))
        for joint, point in points:
            labels = tuple(dict.fromkeys(text for text in (joint, label) if text))
            yield Mark(f"{name}, key point {joint}".rstrip(), partial(_draw_point, point), labels, score=score, control=control)
        draw = _outlined(row, _size(image), has_points=bool(points))
        if draw is not None:
            yield Mark(name, draw, (label,) if label else (), score=score, control=control)
        elif not points:
            raise RegionsError("it has no box, no segmentation and no key point")


def _rows(listed: object) -> list[Mapping[str, Any]]:
    return [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []


def _key(number: object) -> object:
    return number if isinstance(number, int | str) else quote(number)


def _size(row: Mapping[str, Any]) -> Size | None:
    width, height = row.get("width"), row.get("height")
    if type(width) is int and type(height) is int and width > 0 and height > 0:
        return width, height
    return None


def _answers(row: Mapping[str, Any]) -> Iterator[Answer]:
    """Yield the answers about the whole image that `galaxyloop export` wrote."""
    for held in _rows(row.get("answers")):
        value: Any = held.get("number") if held.get("number") is not None else "|".join(map(str, held.get("labels") or ()))
        if isinstance(held.get("control"), str) and isinstance(value, str | int | float) and value != "":
            score = held.get("probability")
            yield Answer(
                f"answer of {held['control']}",
                held["control"],
                value,
                float(score) if isinstance(score, int | float) and 0 <= score <= 1 else None,
            )


def _keypoints(row: Mapping[str, Any], category: Mapping[str, Any]) -> Iterator[tuple[str, Point]]:
    """Yield the key points with a visibility above 0, each with its name in the category."""
    listed = row.get("keypoints")
    if not isinstance(listed, list) or not listed:
        return
    joints = category.get("keypoints")
    joints = joints if isinstance(joints, list) else []
    if len(listed) % 3:
        raise RegionsError(f"its keypoints must be x, y and visibility of each, not {len(listed)} numbers")
    numbers = _numbers(listed, "keypoints").reshape(-1, 3)
    for place, (x, y, visible) in enumerate(numbers.tolist()):
        if visible > 0:
            yield (str(joints[place]) if place < len(joints) else ""), Point(x, y)


def _draw_point(point: Point, canvas: Canvas) -> Drawn:
    return Drawn(point)


def _outlined(row: Mapping[str, Any], size: Size | None, *, has_points: bool) -> Any:
    """Return a function that draws the segmentation of an annotation, else its box; None if it has neither."""
    segmentation, box = row.get("segmentation"), _box(row)
    if isinstance(segmentation, Mapping):
        counts, stated = segmentation.get("counts"), segmentation.get("size")
        if not (isinstance(stated, list) and len(stated) == 2 and all(type(side) is int and side > 0 for side in stated)):
            raise RegionsError(f"its mask must state a size [height, width], not {quote(stated)}")
        if stated[0] * stated[1] > MAX_PIXELS:
            raise RegionsError(f"its mask claims {stated[1]}x{stated[0]} pixels, more than the {MAX_PIXELS:,} that are read")
        if size is not None and (stated[1], stated[0]) != size:
            raise RegionsError(f"its mask has {stated[1]}x{stated[0]} pixels, and its image {size[0]}x{size[1]}")
        if has_points and is_empty_mask(counts, stated):
            return None
        return partial(_draw_rle, counts, (stated[0], stated[1]), _exact(row), box)
    if isinstance(segmentation, list) and segmentation:
        rings = [_ring(ring) for ring in (segmentation if isinstance(segmentation[0], list) else [segmentation])]
        exact = _exact(row) or (_turned(rings[0], row) if len(rings) == 1 else None)
        return partial(_draw_rings, rings, exact, box)
    return None if box is None else partial(_draw_shape, box)


def _box(row: Mapping[str, Any]) -> Box | None:
    listed = row.get("bbox")
    if not isinstance(listed, list) or not listed:
        return None
    numbers = _numbers(listed, "bbox")
    if len(numbers) != 4:
        raise RegionsError(f"its bbox must be [x, y, width, height], not {quote(listed)}")
    x, y, width, height = numbers.tolist()
    return Box(x, y, width, height)


def _exact(row: Mapping[str, Any]) -> Shape | None:
    """Return the ellipse or outline that `galaxyloop export` writes in addition to the mask; None if there is none."""
    if isinstance(row.get("ellipse"), list) and len(row["ellipse"]) == 5:
        return Ellipse(*_numbers(row["ellipse"], "ellipse").tolist())
    if isinstance(row.get("outline"), list):
        return Polygon(_ring(row["outline"]))
    return None


def _turned(ring: NDArray[np.float64], row: Mapping[str, Any]) -> Box | None:
    """Return the box whose four corners and `rotation` `galaxyloop export` writes; None for other polygons."""
    rotation = row.get("rotation")
    if not isinstance(rotation, int | float) or len(ring) != CORNERS_OF_A_BOX:
        return None
    first, second, _, last = ring
    return Box(
        float(first[0]),
        float(first[1]),
        float(np.hypot(*(second - first))),
        float(np.hypot(*(last - first))),
        float(rotation),
    )


def _ring(listed: object) -> NDArray[np.float64]:
    if not isinstance(listed, list) or len(listed) % 2 or not 6 <= len(listed) <= 2 * MAX_CORNERS:
        raise RegionsError(f"its polygon must have 3 to {MAX_CORNERS} corners as x, y, x, y ..., not {quote(listed)}")
    return _numbers(listed, "segmentation").reshape(-1, 2)


def _numbers(listed: list[Any], name: str) -> NDArray[np.float64]:
    """Return a list of numbers as an array; raise `RegionsError` if one is not a number up to `LARGEST`."""
    for number in listed:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= LARGEST:  # False for NaN
            raise RegionsError(f"its {name} must hold finite numbers, not {quote(number)}")
    return np.array(listed, np.float64)


def _draw_shape(shape: Shape, canvas: Canvas) -> Drawn:
    return Drawn(shape)


def _draw_rings(rings: list[NDArray[np.float64]], exact: Shape | None, box: Box | None, canvas: Canvas) -> Drawn:
    width, height = canvas.size
    for ring in rings:
        if (ring < -BEYOND * max(canvas.size)).any() or (ring > (BEYOND + 1) * max(canvas.size)).any():
            raise RegionsError(f"a corner of it lies far outside the picture of {width}x{height} pixels")
    return Drawn(exact or Polygon(joined(rings)), partial(_rasterised, rings, canvas.size), box)


def _rasterised(rings: list[NDArray[np.float64]], size: Size) -> Footprint:
    """Return the pixels of the union of polygons, as pycocotools rasterises them."""
    from pycocotools import mask as coco_mask

    width, height = size
    merged = coco_mask.merge(coco_mask.frPyObjects([ring.ravel().tolist() for ring in rings], height, width))
    return Footprint.of_mask(coco_mask.decode(merged).astype(np.bool_))


def _draw_rle(counts: object, stated: tuple[int, int], exact: Shape | None, box: Box | None, canvas: Canvas) -> Drawn:
    width, height = canvas.size
    if stated != (height, width):
        raise RegionsError(f"its mask has {stated[1]}x{stated[0]} pixels, and the picture {width}x{height}")
    pixels = Footprint.of_mask(decode_mask(counts, stated))
    return Drawn(exact or pixels, lambda: pixels, box)
