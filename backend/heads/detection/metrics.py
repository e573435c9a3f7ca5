"""Score of matched objects, and when a change of settings is worth it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["clearly_better", "f1"]

FEW = 6
"""With so many images, the standard error counts twice."""


def f1(matches: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall, where `matches`, shape (humans, predicted), says which pairs overlap enough.

    1 if there are neither drawn nor predicted objects.
    """
    humans, predicted = matches.shape
    if humans + predicted == 0:
        return 1.0
    hits = min(int(matches.any(axis=1).sum()), int(matches.any(axis=0).sum())) if matches.size else 0
    return 2 * hits / (humans + predicted)


def clearly_better(scores: NDArray[np.float64], default: NDArray[np.float64]) -> bool:
    """Whether the mean of `scores` beats the mean of `default`, both of shape (n,), by more than one standard error.

    The error is that of the paired difference, so the images must be in the same order (the one-standard-error rule of
    Breiman et al. 1984, section 3.4.3); with few images it counts more.
    """
    gain = scores - default
    n = len(gain)
    return bool(n > 1 and gain.mean() > (1 + FEW / n) * gain.std(ddof=1) / math.sqrt(n) and gain.mean() > 0)
