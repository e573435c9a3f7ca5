"""F1 of matched objects, and the rule that compares two detectors or settings by it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["clearly_better", "f1"]

FEW = 6
"""Number of images with which the required standard error is doubled."""


def f1(matches: NDArray[np.bool_]) -> float:
    """Compute F1, the harmonic mean of precision and recall; 1 if there are neither drawn nor predicted objects.

    Parameters
    ----------
    matches : ndarray of bool, shape (drawn objects, predicted objects)
        Whether each pair overlaps enough.
    """
    humans, detections = matches.shape
    if humans + detections == 0:
        return 1.0
    hits = min(int(matches.any(axis=1).sum()), int(matches.any(axis=0).sum())) if matches.size else 0
    return 2 * hits / (humans + detections)


def clearly_better(scores: NDArray[np.float64], default: NDArray[np.float64]) -> bool:
    """Return whether the mean of `scores` exceeds that of `default`, both of shape (n,), by more than one standard error.

    This is the one-standard-error rule of Breiman et al. (1984), section 3.4.3, for the paired difference; the images must be
    in the same order. The error is increased by a factor 1 + `FEW` / n.
    """
    gain = scores - default
    n = len(gain)
    return bool(n > 1 and gain.mean() > (1 + FEW / n) * gain.std(ddof=1) / math.sqrt(n) and gain.mean() > 0)
