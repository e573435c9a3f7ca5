"""Outlines of masks: one closed ring for each part, holes joined to it.

Label Studio's polygons are one ring each, so every part of a mask gets a polygon of its own, and a bridge joins each hole to
the outline: two edges on top of each other, which enclose nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from sync.geometry.shapes import Mask, Polygon

__all__ = ["TOLERANCE_PX", "joined", "outline"]

Bridge = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

TOLERANCE_PX = 0.5
"""How far an outline may leave the mask's border: few enough corners to drag, and no pixel that anyone misses."""


def outline(mask: Mask, *, tolerance_px: float = TOLERANCE_PX) -> list[Polygon]:
    """Trace the parts of a mask.

    Parts are joined through sides, not corners. An outline runs half-way between pixels in and out, and is then
    simplified (Douglas & Peucker 1973). A ring that the tolerance would flatten keeps its full outline.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    tolerance_px : float
        The farthest that a dropped corner may lie from the simplified outline.

    Returns
    -------
    list of Polygon
        The part with the most pixels first.
    """
    from skimage.measure import find_contours  # brings scipy.signal and scipy.stats, which take a second

    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    found = ndimage.find_objects(parts)
    order = sorted(range(1, len(sizes)), key=lambda part: (-sizes[part], part))
    polygons = []
    for part in order:
        rows, columns = found[part - 1]
        padded = np.pad(parts[rows, columns] == part, 1)
        rings = [
            _simplified(ring[:-1, ::-1] + (columns.start - 0.5, rows.start - 0.5), tolerance_px)
            for ring in find_contours(padded.astype(np.float32), 0.5, fully_connected="low")
        ]
        rings.sort(key=_area, reverse=True)
        polygons.append(Polygon(points=joined(rings)))
    return polygons


def _straight(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners between the ends of a straight bridge: none."""
    return np.zeros((0, 2))


def joined(rings: list[NDArray[np.float64]], *, bridge: Bridge = _straight) -> NDArray[np.float64]:
    """Join holes, and further parts, to the outline that comes first, each by the shortest bridge from corner to corner.

    A bridge may cross another hole: it encloses nothing all the same. Holes run against the outline, so browsers, which
    fill by winding number, leave them open too.

    Parameters
    ----------
    rings : list of ndarray, shape (n, 2)
        Corners (x, y), at least one ring.
    bridge : callable, optional
        Returns the corners between the two ends of a bridge, shape (k, 2). Default: a straight line.

    Returns
    -------
    ndarray, shape (m, 2)
    """
    outer, *holes = rings
    if not holes:
        return outer
    corners = cKDTree(outer)
    detours: dict[int, list[NDArray[np.float64]]] = {}
    for hole in holes:
        distances, nearest = corners.query(hole)
        there = int(distances.argmin())
        around = np.roll(hole, -there, axis=0)
        here = int(nearest[there])
        between = bridge(outer[here], around[0])
        detours.setdefault(here, []).extend([between, around, around[:1], between[::-1], outer[here : here + 1]])
    pieces = []
    for here in range(len(outer)):
        pieces += [outer[here : here + 1], *detours.get(here, [])]
    return np.vstack(pieces)


def _simplified(ring: NDArray[np.float64], tolerance_px: float) -> NDArray[np.float64]:
    from skimage.measure import approximate_polygon

    closed = np.vstack([ring, ring[:1]])
    simple: NDArray[np.float64] = approximate_polygon(closed, tolerance_px)[:-1]
    return simple if len(simple) >= 3 and _area(simple) > 0 else ring


def _area(ring: NDArray[np.float64]) -> float:
    x, y = (ring - ring[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
