"""Outlines of sources, similar to those that annotators draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sync.geometry.footprint import Footprint

__all__ = ["fill_holes", "outline", "tighten"]

Window = tuple[slice, slice]


def outline(
    brightness: NDArray[np.float32],
    segments: NDArray[np.int32],
    number: int,
    *,
    isophote: float,
    window: Window | None = None,
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Return the part of a segment around its peak that is brighter than a fraction of the peak.

    Holes are filled, except those with another source.

    Parameters
    ----------
    brightness : ndarray, shape (height, width)
        Sky-subtracted and smoothed.
    segments : ndarray, shape (height, width)
        Segment numbers; only pixels with the value `number`, and holes in them, can belong to the source.
    isophote : float
        Fraction of the peak, 0 to 1.
    window : (rows, columns)
        Bounding box of the segment, if known; otherwise the whole image is searched.

    Returns
    -------
    crop : ndarray of bool, shape (h, w)
        Pixels inside the outline, without empty rows and columns at the sides.
    corner : (x, y)
        Position of the first pixel of the crop in the image.

    Raises
    ------
    ValueError
        If no pixel has the value `number`.
    """
    window = window or (slice(0, segments.shape[0]), slice(0, segments.shape[1]))
    segment = segments[window]
    is_own = segment == number
    if not is_own.any():
        raise ValueError(f"there is no segment {number} in this image")
    light = np.where(is_own, brightness[window], -np.inf)
    peak = np.unravel_index(int(light.argmax()), light.shape)
    region = light >= isophote * light[peak]
    parts, count = ndimage.label(region)
    if count > 1:
        region = parts == parts[peak]
    region = fill_holes(region) & (is_own | (segment == 0))
    return tighten(region, corner=(window[1].start, window[0].start))


def fill_holes(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the holes of `region`, like scipy's `binary_fill_holes`, but ten times as fast."""
    outside, _ = ndimage.label(~np.pad(region, 1))
    result: NDArray[np.bool_] = (outside != outside[0, 0])[1:-1, 1:-1]
    return result


def tighten(region: NDArray[np.bool_], *, corner: tuple[int, int]) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Crop `region`, which must not be empty, to its bounding box; return the crop and its corner (x, y) in the image."""
    footprint = Footprint.of_mask(region, x=corner[0], y=corner[1])
    return footprint.pixels, (footprint.x, footprint.y)
