"""Agreement of the objects that two versions find on the same images: what Cohen's kappa is for classes.

Kappa needs a fixed list of cases that both versions decide; detections have none. F1 is the limit of kappa where the cases that
neither version marks are many and not counted (Hripcsak & Rothschild 2005).

References
----------
Hripcsak & Rothschild (2005), JAMIA 12, 296, "Agreement, the F-measure, and reliability in information retrieval".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.reports.object_scores import ImageMatches, match_detections
from backend.reports.resampling import Score
from sync.geometry.overlap import box_overlaps

__all__ = ["object_agreement"]

Floats = NDArray[np.float64]


def object_agreement(first: Sequence[ImageMatches], second: Sequence[ImageMatches]) -> Score:
    """Return the score that computes F1 between the objects of two versions: 1 if both find the same objects.

    Objects are the same if their boxes have an IoU of at least 0.5 and their labels are equal.

    Parameters
    ----------
    first, second : sequence of ImageMatches, length n
        Detections of two versions on the same images.

    Returns
    -------
    Score
        1 for images on which no version finds an object, where F1 is undefined: nothing has changed.
    """
    counts = np.array([_counts(*pair) for pair in zip(first, second, strict=True)], np.float64).reshape(len(first), 2)

    def compute(weights: Floats) -> Floats:
        same, total = (weights @ counts).T
        agreement = np.divide(2 * same, total, out=np.ones(len(weights)), where=total > 0)
        return np.asarray(agreement, np.float64)

    return compute


def _counts(first: ImageMatches, second: ImageMatches) -> tuple[int, int]:
    """Return the number of objects that both versions find, and of the objects of both together."""
    same = match_detections(box_overlaps(first.boxes, second.boxes), first.scores, first.labels, second.labels)
    return int((same >= 0).sum()), len(first.labels) + len(second.labels)
