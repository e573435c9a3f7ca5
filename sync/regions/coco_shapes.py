"""Shapes of COCO annotations: masks, polygons, boxes and key points, decoded with pycocotools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import quote
from sync.geometry.footprint import Footprint
from sync.geometry.outlines import join_rings
from sync.geometry.shapes import MAX_CORNERS, MAX_PIXELS, Box, Ellipse, Point, Polygon, Size
from sync.regions.coco_masks import decode_mask, is_empty_mask
from sync.regions.marks import Canvas, PlacedMark, RegionsError, Shape

__all__ = ["draw_point", "read_keypoints", "read_outline"]

BEYOND = 2
"""Largest distance of a corner from the image, in lengths of its longer side: pycocotools allocates memory per pixel of an
edge."""
CORNERS_OF_A_BOX = 4
LARGEST = 1e9
"""Largest absolute value of a coordinate, pixels."""


def read_keypoints(row: Mapping[str, Any], category: Mapping[str, Any]) -> Iterator[tuple[str, Point]]:
    """Yield the key points with a visibility above 0, each with its name in the category."""
    raw_numbers = row.get("keypoints")
    if not isinstance(raw_numbers, list) or not raw_numbers:
        return
    joints = category.get("keypoints")
    joints = joints if isinstance(joints, list) else []
    if len(raw_numbers) % 3:
        raise RegionsError(f"keypoints must be x, y and visibility of each point, not {len(raw_numbers)} numbers")
    numbers = _numbers(raw_numbers, "keypoints").reshape(-1, 3)
    for place, (x, y, visible) in enumerate(numbers.tolist()):
        if visible > 0:
            yield (str(joints[place]) if place < len(joints) else ""), Point(x, y)


def draw_point(point: Point, canvas: Canvas) -> PlacedMark:
    return PlacedMark(point)


def read_outline(row: Mapping[str, Any], size: Size | None, *, has_points: bool) -> Any:
    """Return a function that draws the segmentation of an annotation, else its box; None if it has neither."""
    segmentation, box = row.get("segmentation"), _box(row)
    if isinstance(segmentation, Mapping):
        counts, raw_size = segmentation.get("counts"), segmentation.get("size")
        if not (isinstance(raw_size, list) and len(raw_size) == 2 and all(type(side) is int and side > 0 for side in raw_size)):
            raise RegionsError(f"the mask must state a size [height, width], not {quote(raw_size)}")
        if raw_size[0] * raw_size[1] > MAX_PIXELS:
            raise RegionsError(
                f"the mask claims {raw_size[1]}x{raw_size[0]} pixels, more than the {MAX_PIXELS:,} that are read"
            )
        if size is not None and (raw_size[1], raw_size[0]) != size:
            raise RegionsError(f"the mask has {raw_size[1]}x{raw_size[0]} pixels, and its image {size[0]}x{size[1]}")
        if has_points and is_empty_mask(counts, raw_size):
            return None
        return partial(_draw_rle, counts, (raw_size[0], raw_size[1]), _exact(row), box)
    if isinstance(segmentation, list) and segmentation:
        rings = [_ring(ring) for ring in (segmentation if isinstance(segmentation[0], list) else [segmentation])]
        exact = _exact(row) or (_rotated_box(rings[0], row) if len(rings) == 1 else None)
        return partial(_draw_rings, rings, exact, box)
    return None if box is None else partial(_draw_shape, box)


def _box(row: Mapping[str, Any]) -> Box | None:
    raw_numbers = row.get("bbox")
    if not isinstance(raw_numbers, list) or not raw_numbers:
        return None
    numbers = _numbers(raw_numbers, "bbox")
    if len(numbers) != 4:
        raise RegionsError(f"bbox must be [x, y, width, height], not {quote(raw_numbers)}")
    x, y, width, height = numbers.tolist()
    return Box(x, y, width, height)


def _exact(row: Mapping[str, Any]) -> Shape | None:
    """Return the ellipse or outline that `galaxyloop export` writes in addition to the mask; None if there is none."""
    if isinstance(row.get("ellipse"), list) and len(row["ellipse"]) == 5:
        return Ellipse(*_numbers(row["ellipse"], "ellipse").tolist())
    if isinstance(row.get("outline"), list):
        return Polygon(_ring(row["outline"]))
    return None


def _rotated_box(ring: NDArray[np.float64], row: Mapping[str, Any]) -> Box | None:
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


def _ring(numbers: object) -> NDArray[np.float64]:
    if not isinstance(numbers, list) or len(numbers) % 2 or not 6 <= len(numbers) <= 2 * MAX_CORNERS:
        raise RegionsError(f"the polygon must have 3 to {MAX_CORNERS} corners as x, y, x, y ..., not {quote(numbers)}")
    return _numbers(numbers, "segmentation").reshape(-1, 2)


def _numbers(values: list[Any], name: str) -> NDArray[np.float64]:
    """Return a list of numbers as an array; raise `RegionsError` if one is not a number up to `LARGEST`."""
    for number in values:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= LARGEST:  # False for NaN
            raise RegionsError(f"{name} must hold finite numbers, not {quote(number)}")
    return np.array(values, np.float64)


def _draw_shape(shape: Shape, canvas: Canvas) -> PlacedMark:
    return PlacedMark(shape)


def _draw_rings(rings: list[NDArray[np.float64]], exact: Shape | None, box: Box | None, canvas: Canvas) -> PlacedMark:
    width, height = canvas.size
    for ring in rings:
        if (ring < -BEYOND * max(canvas.size)).any() or (ring > (BEYOND + 1) * max(canvas.size)).any():
            raise RegionsError(f"a corner lies far outside the image of {width}x{height} pixels")
    return PlacedMark(exact or Polygon(join_rings(rings)), partial(_rasterise, rings, canvas.size), box)


def _rasterise(rings: list[NDArray[np.float64]], size: Size) -> Footprint:
    """Return the pixels of the union of polygons, as pycocotools rasterises them."""
    from pycocotools import mask as coco_mask

    width, height = size
    merged_rle = coco_mask.merge(coco_mask.frPyObjects([ring.ravel().tolist() for ring in rings], height, width))
    return Footprint.of_mask(coco_mask.decode(merged_rle).astype(np.bool_))


def _draw_rle(counts: object, size: tuple[int, int], exact: Shape | None, box: Box | None, canvas: Canvas) -> PlacedMark:
    width, height = canvas.size
    if size != (height, width):
        raise RegionsError(f"the mask has {size[1]}x{size[0]} pixels, and the image {width}x{height}")
    pixels = Footprint.of_mask(decode_mask(counts, size))
    return PlacedMark(exact or pixels, lambda: pixels, box)
