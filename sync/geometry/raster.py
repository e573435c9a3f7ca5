"""Rasterisation of polygons: the pixels whose centres lie inside, by the even-odd rule.

The two edges of a bridge (`outlines.py`) cross each row at exactly the same position, so a bridge covers no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import ControlError
from sync.geometry.shapes import Mask, Polygon, Size, check_size

__all__ = ["covers_a_pixel", "rasterise"]

CROSSINGS_AT_ONCE = 1_000_000
"""Crossings of edges and rows processed in one chunk; without chunks, 100,000 edges of full height would exhaust the memory."""
MAX_CROSSINGS = 20_000_000
"""Most crossings of edges and rows of one polygon: about a second of work; drawn outlines have less than a hundredth."""


def rasterise(polygon: Polygon, size: Size) -> Mask:
    """Return the mask of the pixels whose centres lie inside a polygon, by the even-odd rule.

    Parameters
    ----------
    polygon : Polygon
        Corners in pixels of the mask.
    size : (width, height)
        Size of the mask, pixels.

    Returns
    -------
    ndarray of bool, shape (height, width)

    Raises
    ------
    ControlError
        If the edges cross more than `MAX_CROSSINGS` rows in total.
    """
    width, height = check_size(size)
    crossings = np.zeros((height, width + 1), dtype=np.uint8)  # only the parity is used, so overflow is harmless
    for places in _crossings(polygon, (width, height)):
        np.add.at(crossings.reshape(-1), places, np.uint8(1))
    inside: Mask = (np.cumsum(crossings, axis=1, dtype=np.uint8) % 2 == 1)[:, :width]
    return inside


def covers_a_pixel(polygon: Polygon, size: Size) -> bool:
    """Return whether `rasterise` gives a mask with any pixel; the time depends on the outline, and not on the size of the mask.

    Parameters
    ----------
    polygon : Polygon
        Corners in pixels of the mask.
    size : (width, height)
        Size of the mask, pixels.

    Raises
    ------
    ControlError
        As `rasterise`.
    """
    places = np.sort(np.concatenate([np.empty(0, np.intp), *_crossings(polygon, check_size(size))]))
    return bool((places[::2] < places[1::2]).any())  # each row has an even number of crossings: from one to the next is inside


def _crossings(polygon: Polygon, size: Size) -> Iterator[NDArray[np.intp]]:
    """Yield where edges cross rows, in chunks: the index, in rows of ``width + 1`` pixels, of the next pixel to the right."""
    width, height = size
    starts = np.asarray(polygon.points, dtype=np.float64)
    ends = np.roll(starts, -1, axis=0)
    # All edges are oriented downwards, so that the two edges of a bridge give exactly equal crossings.
    down = starts[:, 1:] <= ends[:, 1:]
    (x_top, y_top), (x_low, y_low) = np.where(down, starts, ends).T, np.where(down, ends, starts).T
    first, last = (np.ceil(np.clip(y, 0, height) - 0.5).astype(np.intp) for y in (y_top, y_low))
    counts = last - first
    if counts.sum() > MAX_CROSSINGS:
        raise ControlError(f"an outline of {len(starts)} corners crosses the {height} rows of the image too often to be filled")
    for rows_of_chunk in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(np.cumsum(counts) // CROSSINGS_AT_ONCE)) + 1):
        # These arrays have one element for each pair of an edge and a row that it crosses.
        edges = np.repeat(rows_of_chunk, counts[rows_of_chunk])
        rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts[rows_of_chunk]) - last[rows_of_chunk], counts[rows_of_chunk])
        x = x_top[edges] + (rows + 0.5 - y_top[edges]) * (x_low - x_top)[edges] / (y_low - y_top)[edges]
        columns = np.ceil(np.clip(x, 0, width) - 0.5).astype(np.intp)
        yield rows * (width + 1) + columns
