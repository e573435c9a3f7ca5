"""Matching predicted boxes and masks to the ones that people drew, and when a change of settings is worth it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box

__all__ = ["box_overlaps", "clearly_better", "corners", "f1", "mask_overlap"]

FEW = 6
"""Of so many images, a standard error counts twice."""


def corners(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Left, top, right and bottom edges, shape (n, 4), pixels; a turned box counts with the upright box around it."""
    edges = np.empty((len(boxes), 4))
    for row, box in zip(edges, boxes, strict=True):
        cosine, sine = math.cos(math.radians(box.rotation)), math.sin(math.radians(box.rotation))
        xs = [0, box.width * cosine, -box.height * sine, box.width * cosine - box.height * sine]
        ys = [0, box.width * sine, box.height * cosine, box.width * sine + box.height * cosine]
        row[:] = box.x + min(xs), box.y + min(ys), box.x + max(xs), box.y + max(ys)
    return edges


def box_overlaps(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each box of `a`, shape (n, 4), with each of `b`, shape (m, 4): shape (n, m)."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    areas = [(edges[:, 2:] - edges[:, :2]).prod(axis=1) for edges in (a, b)]
    union = areas[0][:, None] + areas[1][None] - shared
    overlaps: NDArray[np.float64] = shared / np.maximum(union, 1e-9)
    return overlaps


def mask_overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; 0 if both are empty."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else 0.0


def f1(matches: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall, where `matches`, shape (humans, predicted), says which pairs overlap enough.

    1 if there was nothing to find and nothing was found.
    """
    humans, predicted = matches.shape
    if humans + predicted == 0:
        return 1.0
    hits = min(int(matches.any(axis=1).sum()), int(matches.any(axis=0).sum())) if matches.size else 0
    return 2 * hits / (humans + predicted)


def clearly_better(scores: NDArray[np.float64], default: NDArray[np.float64]) -> bool:
    """Whether the mean of `scores` beats the mean of `default`, both of shape (n,), by more than one standard error.

    The error is that of the paired difference, so the same images must stand in the same order (the one-standard-error rule of
    Breiman et al. 1984, section 3.4.3); where few images estimated it, it counts for more.
    """
    gain = scores - default
    n = len(gain)
    return bool(n > 1 and gain.mean() > (1 + FEW / n) * gain.std(ddof=1) / math.sqrt(n) and gain.mean() > 0)
