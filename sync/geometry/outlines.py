"""Outlines of masks: one closed polygon for each connected part, with holes joined to it.

A Label Studio polygon is a single closed outline. Each connected part of a mask therefore becomes its own polygon, and a bridge
of two coincident edges, which enclose no area, joins each hole to the outline.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sync.geometry.footprint import mask_bounds
from sync.geometry.shapes import Mask, Polygon

__all__ = ["TOLERANCE_PX", "join_rings", "outline"]

Bridge = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

TOLERANCE_PX = 0.5
"""Maximum distance of a simplified outline from the mask's border: few enough corners to edit by hand, below one pixel."""


def outline(mask: Mask, *, tolerance_px: float = TOLERANCE_PX) -> list[Polygon]:
    """Trace the outlines of the connected parts of a mask.

    Parts are 4-connected. An outline runs half-way between pixels inside and outside the part, and is then simplified
    (Douglas & Peucker 1973). An outline that the tolerance would reduce to zero area is not simplified.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    tolerance_px : float
        Maximum distance of a removed corner from the simplified outline, pixels; 0 removes only corners on straight lines.

    Returns
    -------
    list of Polygon
        One polygon per part, in descending order of the number of pixels.
    """
    # Imported on use, as they take a second, and most commands outline nothing.
    from scipy import ndimage
    from skimage.measure import find_contours

    if not mask.any():
        return []
    left, top, right, bottom = mask_bounds(mask)
    parts, _ = ndimage.label(mask[top:bottom, left:right])
    sizes = np.bincount(parts.ravel())
    slices = ndimage.find_objects(parts)
    order = sorted(range(1, len(sizes)), key=lambda part: (-sizes[part], part))
    polygons = []
    for part in order:
        rows, columns = slices[part - 1]
        padded_part = np.pad(parts[rows, columns] == part, 1)
        corner = (left + columns.start - 0.5, top + rows.start - 0.5)
        rings = [
            _simplify(ring[:, ::-1] + corner, tolerance_px)
            for ring in find_contours(padded_part.astype(np.float32), 0.5, fully_connected="low")
        ]
        rings.sort(key=_area, reverse=True)
        polygons.append(Polygon(points=join_rings(rings)))
    return polygons


def _straight_bridge(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners between the ends of a straight bridge: an empty array, shape (0, 2)."""
    return np.zeros((0, 2))


def join_rings(rings: list[NDArray[np.float64]], *, bridge: Bridge = _straight_bridge) -> NDArray[np.float64]:
    """Join holes and further parts to the first outline, each by the shortest bridge from corner to corner.

    A bridge may cross another hole, because it encloses no area. Holes have the opposite orientation of the outline, so
    browsers, which fill by winding number, do not fill them either.

    Parameters
    ----------
    rings : list of ndarray, shape (n, 2)
        Corners (x, y) of closed outlines; at least one.
    bridge : callable, optional
        Returns the corners between the two ends of a bridge, shape (k, 2). Default: a straight line.

    Returns
    -------
    ndarray, shape (m, 2)
        Corners (x, y) of the joined outline.
    """
    outer, *holes = rings
    if not holes:
        return outer
    from scipy.spatial import cKDTree

    corners = cKDTree(outer)
    detours: dict[int, list[NDArray[np.float64]]] = {}
    for hole in holes:
        distances, nearest = corners.query(hole)
        start = int(distances.argmin())
        around = np.roll(hole, -start, axis=0)
        corner = int(nearest[start])
        between = bridge(outer[corner], around[0])
        detours.setdefault(corner, []).extend([between, around, around[:1], between[::-1], outer[corner : corner + 1]])
    pieces = []
    for corner in range(len(outer)):
        pieces += [outer[corner : corner + 1], *detours.get(corner, [])]
    return np.vstack(pieces)


def _simplify(closed_ring: NDArray[np.float64], tolerance_px: float) -> NDArray[np.float64]:
    """Return the corners of a simplified ring without the last, which repeats the first; shape (n, 2) of (m, 2)."""
    import shapely  # a hundred times as fast as scikit-image's approximate_polygon

    line = shapely.simplify(shapely.linestrings(closed_ring), tolerance_px, preserve_topology=False)
    simple: NDArray[np.float64] = shapely.get_coordinates(line)[:-1]
    return simple if len(simple) >= 3 and _area(simple) > 0 else closed_ring[:-1]


def _area(ring: NDArray[np.float64]) -> float:
    x, y = (ring[1:] - ring[0]).T  # the first corner is the origin, so its two terms are zero
    return abs(float(x[:-1] @ y[1:] - y[:-1] @ x[1:])) / 2
