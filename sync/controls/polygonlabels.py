"""`<PolygonLabels>`: outlines that annotators draw, or that are traced from masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import (
    FAR_PERCENT,
    Region,
    any_size,
    as_number,
    new_region,
    points_off_image,
    read_labels,
    read_value,
    size_for,
    write_labels,
)
from sync.errors.controls import ControlError, quote
from sync.geometry.outlines import TOLERANCE_PX, outline
from sync.geometry.shapes import MAX_CORNERS, Labelled, Mask, Polygon, Size, check_size

__all__ = ["KIND", "SHAPE", "TAG", "check_polygon", "decode", "encode", "encode_mask", "faults", "readable_size"]

TAG = "PolygonLabels"
KIND = Kind.OBJECTS
SHAPE = Polygon


def encode(polygon: Polygon, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of one outline; corners outside the image are moved to its border.

    Raises
    ------
    ControlError
        If there are fewer than three corners, or one is not finite.
    """
    percent = check_polygon(polygon, size=size)
    value = {"points": percent.tolist(), "closed": True, "polygonlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def check_polygon(polygon: Polygon, *, size: Size) -> NDArray[np.float64]:
    """Return the corners in percent of an image of `size`, shape (n, 2); corners outside the image are moved to its border.

    Raises
    ------
    ControlError
        If there are fewer than three corners, or one is not finite.
    """
    width, height = check_size(size)
    points = np.asarray(polygon.points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ControlError(f"a polygon needs three or more finite corners (x, y), not an array of {points.shape}")
    return np.clip(points / (width, height) * 100, 0, 100)


def encode_mask(
    mask: Mask,
    *,
    control: Control,
    label: str,
    size: Size,
    score: float | None = None,
    tolerance_px: float = TOLERANCE_PX,
) -> list[Region]:
    """Return one region for each connected part of a mask, the largest first; an empty list for an empty mask."""
    width, height = check_size(size)
    if mask.dtype != np.bool_ or mask.shape != (height, width):
        raise ControlError(f"a mask must be boolean of shape {(height, width)}, not {mask.dtype} of {mask.shape}")
    return [
        encode(polygon, control=control, label=label, size=size, score=score)
        for polygon in outline(mask, tolerance_px=tolerance_px)
    ]


def decode(region: Region, *, size: Size | None = None) -> Labelled[Polygon]:
    """Return the outline of an annotation."""
    value = read_value(region, TAG)
    width, height = size_for(region, size)
    points = value.get("points")
    if not isinstance(points, list) or not 3 <= len(points) <= MAX_CORNERS:
        raise ControlError(f"a polygon needs 3 to {MAX_CORNERS} points, not {quote(points)}")
    percent = _read_corners(points)
    polygon = Polygon(points=percent * (width, height) / 100)
    return Labelled(shape=polygon, labels=read_labels(value, TAG), size=(width, height))


def _read_corners(points: list[Any]) -> NDArray[np.float64]:
    """Return the corners as an array of shape (n, 2), percent of the image; raise ControlError for the first invalid one."""
    # Two sets of types instead of a check of each coordinate: the outlines of an export have hundreds of thousands of them.
    pairs = {*map(type, points)} <= {list, tuple} and {*map(len, points)} == {2}
    if pairs and {*map(type, chain.from_iterable(points))} <= {int, float}:
        with suppress(OverflowError):  # a whole number beyond the range of floats
            percent = np.array(points, dtype=np.float64)
            if (abs(percent) <= FAR_PERCENT).all():
                return percent
    percent = np.empty((len(points), 2))
    for row, point in zip(percent, points, strict=True):
        if not isinstance(point, list | tuple) or len(point) != 2:
            raise ControlError(f"a corner of a polygon must be [x, y], not {quote(point)}")
        row[:] = as_number(point[0], "x"), as_number(point[1], "y")
    return percent


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault for each corner outside the image."""
    yield from points_off_image(value["points"])


readable_size = any_size
