"""Clipping of shapes to the image border: readers of data sets reject coordinates outside the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Size

__all__ = ["clip_box", "clip_ring", "ring_area"]


def clip_ring(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """Clip a closed outline to an image.

    If clipping splits a concave outline, edges of zero enclosed area along the border join its parts.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        Corners (x, y), pixels from the image's top-left corner.
    size : (width, height)
        Of the image, pixels.

    Returns
    -------
    ndarray, shape (m, 2)
        Corners of the clipped outline; m is 0 if no part of the outline lies on the image.

    References
    ----------
    Sutherland & Hodgman (1974), Communications of the ACM 17, 32.
    """
    for axis in (0, 1):
        points = _half(points, axis, 0.0, 1.0)
        points = _half(points, axis, float(size[axis]), -1.0)
    return points


def clip_box(box: Box, size: Size) -> Box:
    """Clip an axis-aligned box to an image; a side is 0 where no part of the box lies on the image."""
    left, top = min(max(box.x, 0.0), size[0]), min(max(box.y, 0.0), size[1])
    right, low = min(max(box.x + box.width, 0.0), size[0]), min(max(box.y + box.height, 0.0), size[1])
    inside = left == box.x and top == box.y and right == box.x + box.width and low == box.y + box.height
    return box if inside else Box(left, top, max(right - left, 0.0), max(low - top, 0.0))


def ring_area(points: NDArray[np.float64]) -> float:
    """Return the area that a closed outline encloses, in square pixels; 0 for fewer than three corners."""
    if len(points) < 3:
        return 0.0
    x, y = (points - points[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _half(points: NDArray[np.float64], axis: int, border: float, sign: float) -> NDArray[np.float64]:
    """Clip an outline to one side of a border: to larger coordinates for `sign` 1, to smaller ones for -1."""
    depth = (points[:, axis] - border) * sign
    inside = depth >= 0
    if inside.all():
        return points
    following, depth_there = np.roll(points, -1, axis=0), np.roll(depth, -1)
    crossing = inside != (depth_there >= 0)
    share = np.divide(depth, depth - depth_there, out=np.zeros_like(depth), where=crossing)
    crossings = points + share[:, None] * (following - points)
    crossings[:, axis] = border
    # Each retained corner precedes the crossing of the edge that starts at it.
    points_with_crossings = np.stack([points, crossings], axis=1).reshape(-1, 2)
    corners: NDArray[np.float64] = points_with_crossings[np.stack([inside, crossing], axis=1).ravel()]
    return corners
