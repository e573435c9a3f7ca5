"""Scores of predicted numbers: root mean square error and coefficient of determination."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.reports.resampling import Score

__all__ = ["r2", "rmse"]

Floats = NDArray[np.float64]


def rmse(predictions: Floats, truth: Floats) -> Score:
    """Return the score that computes the root mean square error, in the unit of the numbers.

    Parameters
    ----------
    predictions, truth : ndarray, shape (n,)
    """
    squares = (predictions - truth) ** 2
    return lambda weights: np.sqrt(weights @ squares / weights.sum(axis=1))


def r2(predictions: Floats, truth: Floats) -> Score:
    """Return the score that computes R2, the share of the variance that the predictions explain; undefined for equal numbers.

    Parameters
    ----------
    predictions, truth : ndarray, shape (n,)
    """
    squares = (predictions - truth) ** 2

    def compute(weights: Floats) -> Floats:
        mean = weights @ truth / weights.sum(axis=1)
        variation = (weights * (truth - mean[:, None]) ** 2).sum(axis=1)
        unexplained_share = np.divide(weights @ squares, variation, out=np.full(len(weights), np.nan), where=variation > 0)
        return np.asarray(1 - unexplained_share, np.float64)

    return compute
