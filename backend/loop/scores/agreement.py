"""Agreement between a prediction and an annotator on one task, between 0 and 1: what the gate compares versions by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backend.heads.detection.detection import Detected
from backend.loop.examples.drawn_objects import DrawnObject
from sync.geometry.shapes import Box

__all__ = ["class_agreement", "matched_boxes", "number_agreement", "overlap"]

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


def number_agreement(predicted: NDArray[np.float64], values: NDArray[np.float64], *, spread: float) -> NDArray[np.float64]:
    """1 at the annotator's value, 1/2 where the error is as large as the `spread` of all values, shape (n,)."""
    agreement: NDArray[np.float64] = 1 / (1 + np.abs(predicted - values) / max(spread, 1e-9))
    return agreement


def matched_boxes(predicted: Sequence[Detected], drawn: Sequence[DrawnObject]) -> int:
    """Count the boxes that match one to one, at an overlap of a half and with the right label."""
    if not predicted or not drawn:
        return 0
    overlaps = np.array(
        [[overlap(one.source.box, other.box) * (one.label == other.label) for other in drawn] for one in predicted]
    )
    rows, columns = linear_sum_assignment(-(overlaps >= MATCHED_ABOVE).astype(float))
    return int((overlaps[rows, columns] >= MATCHED_ABOVE).sum())


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two upright boxes."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(width, 0) * max(height, 0)
    union = one.width * one.height + other.width * other.height - shared
    return shared / union if union > 0 else 0.0
