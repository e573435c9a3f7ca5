"""Agreement between a prediction and an annotator on one task, between 0 and 1: what the gate compares versions by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backend.heads.detection import Detected
from backend.loop.examples import DrawnObject
from sync.controls.shapes import Box, Size

__all__ = ["box_agreement", "class_agreement", "mask_agreement", "number_agreement", "overlap"]

MATCHED_ABOVE = 0.5
"""Intersection over union from which two boxes are the same object."""


def class_agreement(
    probabilities: NDArray[np.float64], targets: NDArray[np.float64], *, exclusive: bool, levels: int = 1
) -> NDArray[np.float64]:
    """One minus the Brier score, which only the true probabilities maximise, scaled to [0, 1].

    Parameters
    ----------
    probabilities, targets : ndarray, shape (n, k)
        Predicted; share of annotators that chose each class, or that came through each node of a taxonomy.
    exclusive : bool
        Whether each galaxy has one class, or one node at each level.
    levels : int
        Depth of a taxonomy: a path that parts from the annotators' late is better than one that parts at once.

    Returns
    -------
    ndarray, shape (n,)

    References
    ----------
    Brier (1950), Monthly Weather Review 78, 1.
    """
    squares = (probabilities - targets) ** 2
    agreement: NDArray[np.float64] = 1 - (squares.sum(axis=1) / (2 * levels) if exclusive else squares.mean(axis=1))
    return agreement


def number_agreement(predicted: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 at the annotator's value, 1/2 where the error is as large as the spread of all values, shape (n,)."""
    spread = max(float(values.std()), 1e-9)
    agreement: NDArray[np.float64] = 1 / (1 + np.abs(predicted - values) / spread)
    return agreement


def box_agreement(found: Sequence[Detected], drawn: Sequence[DrawnObject], _size: Size) -> float:
    """F1 of boxes matched one to one at an overlap of a half with the right label; 1 where both are empty."""
    if not found or not drawn:
        return float(not found and not drawn)
    overlaps = np.array([[overlap(one.source.box, other.box) * (one.label == other.label) for other in drawn] for one in found])
    rows, columns = linear_sum_assignment(-overlaps)
    matched = int((overlaps[rows, columns] >= MATCHED_ABOVE).sum())
    return 2 * matched / (len(found) + len(drawn))


def mask_agreement(found: Sequence[Detected], drawn: Sequence[DrawnObject], size: Size) -> float:
    """Intersection over union of all masks together, mean over the labels that occur; 1 where both are empty."""
    labels = {one.label for one in found} | {one.label for one in drawn}
    overlaps = []
    for label in labels:
        predicted, human = np.zeros(size[::-1], bool), np.zeros(size[::-1], bool)
        for one in found:
            if one.label == label:
                predicted |= one.source.full_mask(size)
        for other in drawn:
            if other.label == label and other.mask is not None and other.mask.shape == human.shape:
                human |= other.mask
        union = int((predicted | human).sum())
        overlaps.append(int((predicted & human).sum()) / union if union else 1.0)
    return float(np.mean(overlaps)) if overlaps else 1.0


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two upright boxes."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(width, 0) * max(height, 0)
    union = one.width * one.height + other.width * other.height - shared
    return shared / union if union > 0 else 0.0
