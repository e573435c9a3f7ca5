"""Large images as overlapping tiles, and the weighted mean of their results."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["OVERLAP_PX", "TILE_PX", "Window", "blend", "tiles_of"]

TILE_PX, OVERLAP_PX = 192, 48
"""Side of a tile, which resembles the images of the training, and pixels that neighbouring tiles share."""

Window = tuple[slice, slice]


def tiles_of(shape: tuple[int, ...]) -> list[Window]:
    """Return windows that cover an image; each side is TILE_PX, or that of the image if it is shorter."""
    return [(rows, columns) for rows in _spans(shape[0]) for columns in _spans(shape[1])]


def blend(shape: tuple[int, ...], windows: list[Window], results: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Return the mean of overlapping results; the weight of a result falls linearly towards the edges of its tile.

    Parameters
    ----------
    shape : (height, width)
    windows : list of (slice, slice)
    results : list of ndarray
        Each of the shape of its window.
    """
    total, weights = np.zeros(shape), np.zeros(shape)
    for window, result in zip(windows, results, strict=True):
        weight = np.outer(_ramp(result.shape[0]), _ramp(result.shape[1]))
        total[window] += weight * result
        weights[window] += weight
    return total / weights


def _spans(side: int) -> Iterator[slice]:
    start = 0
    while start + TILE_PX < side:
        yield slice(start, start + TILE_PX)
        start += TILE_PX - OVERLAP_PX
    yield slice(max(0, side - TILE_PX), side)


def _ramp(side: int) -> NDArray[np.float64]:
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 1.0
    ramp: NDArray[np.float64] = np.minimum(distance / OVERLAP_PX, 1.0)
    return ramp
