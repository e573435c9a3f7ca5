"""Finds overlapping objects of one image by their boxes, for thousands of objects in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sync.export.drawn_objects import DrawnObject

__all__ = ["LEAST_OVERLAP", "SAME_OVERLAP", "find_overlaps", "same_boxes"]

SAME_OVERLAP = 0.5
"""Intersection over union from which two shapes count as the same object."""

LEAST_OVERLAP = 1e-9
"""Smallest intersection over union that counts as an overlap."""

PAIRS_AT_ONCE = 100_000
"""Number of pairs whose overlaps are computed together; their arrays fit the processor's cache."""


def same_boxes(first: Sequence[DrawnObject], second: Sequence[DrawnObject]) -> list[bool]:
    """Return, for each of `first`, whether one of `second` has the same class and a box that overlaps by `SAME_OVERLAP`."""
    same = [False] * len(first)
    for row, column, _ in find_overlaps(first, second, threshold=SAME_OVERLAP):
        same[row] = same[row] or first[row].label == second[column].label
    return same


def find_overlaps(
    first: Sequence[DrawnObject], second: Sequence[DrawnObject], *, threshold: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of objects whose upright boxes overlap, ordered by the index in `first`.

    Parameters
    ----------
    first, second : sequence of DrawnObject
        Objects of one image, without key points.
    threshold : float
        Smallest intersection over union of a pair, above 0.

    Yields
    ------
    (int, int, float)
        Index in `first`, index in `second`, and intersection over union.
    """
    if not first or not second:
        return
    edges, other_edges = _edges(first), _edges(second)
    rows = max(1, PAIRS_AT_ONCE // len(second))
    for start in range(0, len(first), rows):
        shares = _overlaps(edges[start : start + rows], other_edges)
        for row, column in np.argwhere(shares >= threshold).tolist():
            yield start + row, column, float(shares[row, column])


def _edges(objects: Sequence[DrawnObject]) -> NDArray[np.float64]:
    """Return the left, top, right and bottom edges of the upright boxes, shape (n, 4), pixels."""
    boxes = [box for obj in objects if (box := obj.box()) is not None]
    return np.array([(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes])


def _overlaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of all pairs, shape (n, m)."""
    width, height = (
        np.minimum(first[:, None, axis + 2], second[None, :, axis + 2])
        - np.maximum(first[:, None, axis], second[None, :, axis])
        for axis in (0, 1)
    )
    intersections = np.maximum(width, 0) * np.maximum(height, 0)
    areas, other_areas = ((edges[:, 2:] - edges[:, :2]).prod(axis=1) for edges in (first, second))
    overlaps: NDArray[np.float64] = intersections / (areas[:, None] + other_areas[None, :] - intersections)
    return overlaps
