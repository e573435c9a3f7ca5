"""`<PolygonLabels>`: outlines, and how masks become outlines and back.

Label Studio's polygons are one ring each, so every part of a mask gets a polygon of its own, and its holes are joined
to the outline by a bridge: two edges on top of each other, which enclose nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from sync.controls.region import (
    Region,
    as_number,
    check_size,
    new_region,
    quote,
    read_labels,
    read_value,
    size_for,
    write_labels,
)
from sync.errors.controls import ControlError
from sync.geometry.shapes import Labelled, Mask, Polygon, Size
from sync.labelling.config import Control

__all__ = ["MAX_CORNERS", "decode", "encode", "encode_mask", "joined", "outline", "rasterise"]

TAG = "PolygonLabels"

TOLERANCE_PX = 0.5
"""How far an outline may leave the mask's border: few enough corners to drag, and no pixel that anyone misses."""

MAX_CORNERS = 100_000

CROSSINGS_AT_ONCE = 1_000_000
"""Rows that edges cross, which are in memory together: 100,000 edges from top to bottom would fill it."""
MAX_CROSSINGS = 20_000_000
"""Rows that all edges cross together: a second of work, and no outline that a person draws has a hundredth of them."""


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


def rasterise(polygon: Polygon, size: Size) -> Mask:
    """Return the pixels whose middle lies inside a polygon, by the even-odd rule.

    Parameters
    ----------
    size : (width, height)
        Of the mask, pixels.

    Returns
    -------
    ndarray of bool, shape (height, width)

    Raises
    ------
    ControlError
        If the outline runs up and down so often that filling it takes seconds.
    """
    width, height = check_size(size)
    starts = np.asarray(polygon.points, dtype=np.float64)
    ends = np.roll(starts, -1, axis=0)
    # Always downwards, so that the two edges of a bridge cross a row at the same place to the last bit.
    down = starts[:, 1:] <= ends[:, 1:]
    (x_top, y_top), (x_low, y_low) = np.where(down, starts, ends).T, np.where(down, ends, starts).T
    first, last = (np.ceil(np.clip(y, 0, height) - 0.5).astype(np.intp) for y in (y_top, y_low))
    counts = last - first
    if counts.sum() > MAX_CROSSINGS:
        raise ControlError(f"an outline of {len(starts)} corners crosses the {height} rows of the image too often to be filled")
    crossings = np.zeros((height, width + 1), dtype=np.uint8)  # only whether they are odd matters, so they may run over
    for some in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(np.cumsum(counts) // CROSSINGS_AT_ONCE)) + 1):
        # One number for each row that each of these edges crosses.
        edges = np.repeat(some, counts[some])
        rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts[some]) - last[some], counts[some])
        x = x_top[edges] + (rows + 0.5 - y_top[edges]) * (x_low - x_top)[edges] / (y_low - y_top)[edges]
        columns = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.intp)
        np.add.at(crossings.reshape(-1), rows * (width + 1) + columns, np.uint8(1))
    inside: Mask = (np.cumsum(crossings, axis=1, dtype=np.uint8) % 2 == 1)[:, :width]
    return inside


def joined(rings: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Join holes, and further parts, to the outline that comes first, each by the shortest bridge from corner to corner.

    A bridge may cross another hole: it encloses nothing all the same. Holes run against the outline, so browsers, which
    fill by winding number, leave them open too.

    Parameters
    ----------
    rings : list of ndarray, shape (n, 2)
        Corners (x, y), at least one ring.

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
        detours.setdefault(here, []).extend([around, around[:1], outer[here : here + 1]])
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
