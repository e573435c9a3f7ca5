"""Agreement between a prediction and an annotator on one task, between 0 and 1: what the gate compares versions by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from backend.heads.detection.detection import Detected
from backend.prediction.control_models.drawn_objects import DrawnObject
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps

__all__ = ["class_agreement", "matched_boxes", "number_agreement"]

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
    overlaps = box_overlaps(box_edges([one.source.box for one in predicted]), box_edges([other.box for other in drawn]))
    overlaps *= [[one.label == other.label for other in drawn] for one in predicted]
    rows, columns = linear_sum_assignment(-(overlaps >= MATCHED_ABOVE).astype(float))
    return int((overlaps[rows, columns] >= MATCHED_ABOVE).sum())
