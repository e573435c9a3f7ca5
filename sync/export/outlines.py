"""The exact outline of a mask as one ring, from which a reader can restore the pixels.

The outline lies half-way between the centres of pixels inside and outside, so the pixels whose centre lies inside the ring are
those of the mask. Parts and holes are joined by bridges: pairs of coincident edges that enclose no area. Bridges follow the
edges of pixels, since for a line through the centre of a pixel, rounding would decide whether that pixel lies inside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import find_contours

from sync.geometry.footprint import Footprint
from sync.geometry.outlines import join_rings

__all__ = ["outline_of"]

HALF_WAY = 0.5
"""Contour level between 0 (outside) and 1 (inside)."""


def outline_of(footprint: Footprint) -> NDArray[np.float64]:
    """Return the outline of a footprint as one ring, including all parts and holes.

    Returns
    -------
    ndarray, shape (n, 2)
        Corners (x, y), pixels from the image's top-left corner.
    """
    contours = find_contours(np.pad(footprint.pixels, 1).astype(np.float32), HALF_WAY, fully_connected="low")
    corners = [contour[:-1, ::-1] + (footprint.x - 0.5, footprint.y - 0.5) for contour in contours]
    rings = sorted(map(_drop_straight_corners, corners), key=len, reverse=True)
    return join_rings(rings, bridge=_bridge_along_pixels)


def _bridge_along_pixels(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return corners of pixels that connect two points of an outline, each of which lies on the edge of a pixel."""
    first, last = np.floor(start), np.floor(end)
    return np.array([first, (last[0], first[1]), last])


def _drop_straight_corners(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop the corners at which an outline is straight; all steps are multiples of half a pixel, so the comparison is exact."""
    to, on = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = (to[:, 0] * on[:, 1] != to[:, 1] * on[:, 0]) | ((to * on).sum(axis=1) <= 0)
    bent: NDArray[np.float64] = ring[turns]
    return bent
