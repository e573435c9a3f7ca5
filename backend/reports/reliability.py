"""Reliability diagram: are predictions with a confidence of 80 % right in 80 % of the cases?

Bins have equal numbers of images: with bins of equal width most are nearly empty, because confident predictions are many.

References
----------
DeGroot & Fienberg (1983), The Statistician 32, 12: reliability diagrams. Nixon et al. (2019), CVPR workshops, arXiv:1904.01685:
bins of equal numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.reports.report import ReliabilityBin

__all__ = ["calibration_error", "reliability_bins"]

MOST_BINS = 10
LEAST_IN_BIN = 10
"""Smallest number of images in a bin, where there is more than one: the share of fewer is mostly noise."""


def reliability_bins(confidence: NDArray[np.float64], right: NDArray[np.float64]) -> list[ReliabilityBin]:
    """Divide predictions into at most `MOST_BINS` bins of about equal numbers.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
        Probability of the predicted class.
    right : ndarray, shape (n,)
        Share of the annotators that chose the predicted class, 0 to 1.
    """
    if not len(confidence):
        return []
    order = np.argsort(confidence, kind="stable")
    count = min(MOST_BINS, max(1, len(confidence) // LEAST_IN_BIN))
    return [
        ReliabilityBin(confidence=float(confidence[part].mean()), accuracy=float(right[part].mean()), count=len(part))
        for part in np.array_split(order, count)
    ]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float | None:
    """Return the mean difference of confidence and share of correct predictions; None without predictions."""
    total = sum(bin_.count for bin_ in bins)
    return sum(bin_.count * abs(bin_.confidence - bin_.accuracy) for bin_ in bins) / total if total else None
