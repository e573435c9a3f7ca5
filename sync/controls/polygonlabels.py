"""`<PolygonLabels>`: outlines, drawn or traced around masks."""

from __future__ import annotations

import numpy as np

from sync.controls.region import Region, as_number, new_region, read_labels, read_value, size_for, write_labels
from sync.errors.controls import ControlError, quote
from sync.geometry.outlines import TOLERANCE_PX, outline
from sync.geometry.shapes import Labelled, Mask, Polygon, Size, check_size
from sync.labelling.config import Control

__all__ = ["MAX_CORNERS", "decode", "encode", "encode_mask"]

TAG = "PolygonLabels"

MAX_CORNERS = 100_000


def encode(polygon: Polygon, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of one outline; corners outside the image are moved to its border.

    Parameters
    ----------
    size : (width, height)
        Of the image, pixels.

    Raises
    ------
    ControlError
        If there are fewer than three corners, or one is not finite.
    """
    width, height = check_size(size)
    points = np.asarray(polygon.points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise ControlError(f"a polygon needs three or more finite corners (x, y), not an array of {points.shape}")
    percent = np.clip(points / (width, height) * 100, 0, 100)
    value = {"points": percent.tolist(), "closed": True, "polygonlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def encode_mask(
    mask: Mask,
    *,
    control: Control,
    label: str,
    size: Size,
    score: float | None = None,
    tolerance_px: float = TOLERANCE_PX,
) -> list[Region]:
    """Return one region for each part of a mask, the largest first; none for an empty mask."""
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
    percent = np.empty((len(points), 2))
    for row, point in zip(percent, points, strict=True):
        if not isinstance(point, list | tuple) or len(point) != 2:
            raise ControlError(f"a corner of a polygon must be [x, y], not {quote(point)}")
        row[:] = as_number(point[0], "x"), as_number(point[1], "y")
    polygon = Polygon(points=percent * (width, height) / 100)
    return Labelled(shape=polygon, labels=read_labels(value, TAG), size=(width, height))
