"""Outlines: the region that a person would draw around a source, and the box and ellipse around that region."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sync.geometry.shapes import Box, Ellipse

__all__ = ["bounding_box", "filled", "moment_ellipse", "outline", "tighten"]

Window = tuple[slice, slice]
PIXEL_VARIANCE = 1 / 12


def outline(
    brightness: NDArray[np.float32],
    segments: NDArray[np.int32],
    number: int,
    *,
    isophote: float,
    window: Window | None = None,
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The part of a segment around its peak that is brighter than a fraction of the peak.

    Holes are filled, but for those in which another source lies.

    Parameters
    ----------
    brightness : ndarray, shape (height, width)
        Sky-subtracted and smoothed.
    segments : ndarray, shape (height, width)
        The pixels that may belong to the source have the value `number`.
    isophote : float
        Fraction of the peak, 0 to 1.
    window : (rows, columns)
        Where to look, if the caller knows; the whole image otherwise.

    Returns
    -------
    crop : ndarray of bool, shape (h, w)
        Without empty rows and columns at its sides.
    corner : (x, y)
        Where the crop's top-left pixel lies in the image.

    Raises
    ------
    ValueError
        If no pixel has the value `number`.
    """
    window = window or (slice(0, segments.shape[0]), slice(0, segments.shape[1]))
    segment = segments[window]
    own = segment == number
    if not own.any():
        raise ValueError(f"there is no segment {number} in this image")
    light = np.where(own, brightness[window], -np.inf)
    peak = np.unravel_index(int(light.argmax()), light.shape)
    region = light >= isophote * light[peak]
    parts, count = ndimage.label(region)
    if count > 1:
        region = parts == parts[peak]
    region = filled(region) & (own | (segment == 0))
    return tighten(region, corner=(window[1].start, window[0].start))


def filled(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`region` with its holes, as scipy's `binary_fill_holes`, but ten times as fast: what the outside does not reach."""
    outside, _ = ndimage.label(~np.pad(region, 1))
    result: NDArray[np.bool_] = (outside != outside[0, 0])[1:-1, 1:-1]
    return result


def tighten(region: NDArray[np.bool_], *, corner: tuple[int, int]) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """`region` without its empty sides, and the corner of what is left; `region` must hold a pixel."""
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    crop = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return crop, (corner[0] + int(columns[0]), corner[1] + int(rows[0]))


def bounding_box(crop: NDArray[np.bool_], *, corner: tuple[int, int]) -> Box:
    """The box around a tight crop, along the edges of its outer pixels."""
    height, width = crop.shape
    return Box(x=float(corner[0]), y=float(corner[1]), width=float(width), height=float(height))


def moment_ellipse(crop: NDArray[np.bool_], *, corner: tuple[int, int]) -> Ellipse:
    """The ellipse with the region's centroid and second moments: the region itself if that is an ellipse.

    The long radius comes first; its angle is in degrees clockwise from the x axis, 0 to 180, as Label Studio counts.
    """
    rows, columns = np.nonzero(crop)
    x, y = columns.mean(), rows.mean()
    xx = ((columns - x) ** 2).mean() + PIXEL_VARIANCE
    yy = ((rows - y) ** 2).mean() + PIXEL_VARIANCE
    xy = ((columns - x) * (rows - y)).mean()
    mean, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    angle = math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) % 180
    return Ellipse(
        x=float(x + corner[0] + 0.5),
        y=float(y + corner[1] + 0.5),
        radius_x=float(2 * math.sqrt(mean + spread)),
        radius_y=float(2 * math.sqrt(max(mean - spread, PIXEL_VARIANCE))),
        rotation=angle,
    )
