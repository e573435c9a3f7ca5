"""Detection metrics at one overlap: average precision, precision, recall, F1 and accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sync.geometry.overlap import box_overlaps

__all__ = ["Boxes", "DetectionScores", "Finds", "measure"]

Boxes = NDArray[np.float64]
"""Shape (n, 4): left, top, right, bottom, pixels."""
Finds = tuple[Boxes, NDArray[np.float64]]
"""Boxes of one image and their scores, shape (n,)."""


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Metrics over all images.

    `average_precision` uses every detection; the others use the detections above the threshold.
    `accuracy` is TP / (TP + FP + FN).
    """

    average_precision: float
    precision: float
    recall: float
    f1: float
    accuracy: float


def measure(finds: Sequence[Finds], truth: Sequence[Boxes], *, least_score: float, overlap: float = 0.5) -> DetectionScores:
    """Compare the detections in n images with the true boxes.

    In order of decreasing score, each detection is matched with the unmatched object that it overlaps most, if the overlap is
    at least `overlap` (as Everingham et al. 2010, IJCV 88, 303); average precision is the area under the envelope of precision
    over recall.

    Parameters
    ----------
    finds : sequence of Finds
        Boxes and scores of each image.
    truth : sequence of Boxes
        True boxes of each image.
    least_score : float
        Threshold of all metrics but the average precision.
    overlap : float
        Smallest intersection over union of a match.
    """
    scores = np.concatenate([score for _, score in finds]) if finds else np.empty(0)
    hits = np.concatenate([_hits(find, boxes, overlap) for find, boxes in zip(finds, truth, strict=True)])
    total = sum(len(boxes) for boxes in truth)
    order = np.argsort(-scores, kind="stable")
    true_positives = np.cumsum(hits[order])
    precision = true_positives / np.arange(1, len(true_positives) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    average = float((envelope * hits[order]).sum() / max(total, 1))
    count = scores >= least_score
    right, predictions_count = int(hits[count].sum()), int(count.sum())
    return DetectionScores(
        average,
        right / max(predictions_count, 1),
        right / max(total, 1),
        2 * right / max(predictions_count + total, 1),
        right / max(predictions_count + total - right, 1),
    )


def _hits(find: Finds, truth: Boxes, overlap: float) -> NDArray[np.float64]:
    """Return 1 for each detection that is matched with an object and 0 for the others, shape (n,)."""
    boxes, scores = find
    hits = np.zeros(len(boxes))
    if not len(boxes) or not len(truth):
        return hits
    free = box_overlaps(boxes, truth)
    for row in np.argsort(-scores, kind="stable"):
        match = int(free[row].argmax())
        if free[row, match] >= overlap:
            hits[row] = 1
            free[:, match] = 0
    return hits
