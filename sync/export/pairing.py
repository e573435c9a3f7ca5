"""Finds overlapping objects of one image by their boxes, for thousands of objects in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sync.export.records import DrawnObject

__all__ = ["LEAST_OVERLAP", "SAME_OVERLAP", "overlapping", "same_boxes"]

SAME_OVERLAP = 0.5
"""Intersection over union from which two shapes count as the same object."""

LEAST_OVERLAP = 1e-9
"""Smallest intersection over union that counts as an overlap."""

PAIRS_AT_ONCE = 100_000
"""Number of pairs whose overlaps are computed together; their arrays fit the processor's cache."""


def same_boxes(ones: Sequence[DrawnObject], others: Sequence[DrawnObject]) -> list[bool]:
    """Return, for each of `ones`, whether one of `others` has the same class and a box that overlaps by `SAME_OVERLAP`."""
    same = [False] * len(ones)
    for one, other, _ in overlapping(ones, others, least=SAME_OVERLAP):
        same[one] = same[one] or ones[one].label == others[other].label
    return same


def overlapping(
    ones: Sequence[DrawnObject], others: Sequence[DrawnObject], *, least: float
) -> Iterator[tuple[int, int, float]]:
    """Yield the pairs of objects whose upright boxes overlap, ordered by the index in `ones`.

    Parameters
    ----------
    ones, others : sequence of DrawnObject
        Objects of one image, without key points.
    least : float
        Smallest intersection over union of a pair, above 0.

    Yields
    ------
    (int, int, float)
        Index in `ones`, index in `others`, and intersection over union.
    """
    if not ones or not others:
        return
    first, second = _edges(ones), _edges(others)
    rows = max(1, PAIRS_AT_ONCE // len(others))
    for start in range(0, len(ones), rows):
        shares = _overlaps(first[start : start + rows], second)
        for one, other in np.argwhere(shares >= least).tolist():
            yield start + one, other, float(shares[one, other])


def _edges(objects: Sequence[DrawnObject]) -> NDArray[np.float64]:
    """Return the left, top, right and bottom edges of the upright boxes, shape (n, 4), pixels."""
    boxes = [box for one in objects if (box := one.box()) is not None]
    return np.array([(box.x, box.y, box.x + box.width, box.y + box.height) for box in boxes])


def _overlaps(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of all pairs, shape (n, m)."""
    width, height = (
        np.minimum(ones[:, None, axis + 2], others[None, :, axis + 2]) - np.maximum(ones[:, None, axis], others[None, :, axis])
        for axis in (0, 1)
    )
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    areas, other_areas = ((edges[:, 2:] - edges[:, :2]).prod(axis=1) for edges in (ones, others))
    overlaps: NDArray[np.float64] = shared / (areas[:, None] + other_areas[None, :] - shared)
    return overlaps
