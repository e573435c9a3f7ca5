"""Calibration metrics: compare the probabilities of a head with the frequencies of the labels, on held-out galaxies.

The calibration errors of torchmetrics accept hard labels only; the labels of several annotators are soft.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["brier_score", "expected_calibration_error"]

BINS = 15


def expected_calibration_error(
    probabilities: NDArray[np.floating], targets: NDArray[np.floating], *, exclusive: bool = True
) -> float:
    """Return the expected calibration error, 0 to 1: the mean over bins of equal width, weighted by their counts.

    With few galaxies it is dominated by noise and never 0: with fifty galaxies, a calibrated head has an error of 0.1.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (n, k)
        Predicted probabilities; shares of annotators that chose each class.
    exclusive : bool
        Whether to compare the likeliest class of each galaxy with the share that chose it (Guo et al. 2017, eq. 3), or each
        class separately, as a binary question (Naeini et al. 2015).

    Raises
    ------
    ValueError
        If the shapes differ, or the arrays are empty.

    References
    ----------
    Guo et al. (2017), ICML, arXiv:1706.04599; Naeini, Cooper & Hauskrecht (2015), AAAI 29.
    """
    predictions, truth = np.asarray(probabilities, np.float64), np.asarray(targets, np.float64)
    if predictions.shape != truth.shape or predictions.ndim != 2 or not predictions.size:
        raise ValueError(f"probabilities and targets must have one shape (n, k), not {predictions.shape} and {truth.shape}")
    if exclusive:
        rows, likeliest = np.arange(len(predictions)), predictions.argmax(axis=1)
        predictions, truth = predictions[rows, likeliest], truth[rows, likeliest]
    predictions, truth = predictions.ravel(), truth.ravel()
    bin_of = (predictions * BINS).astype(int).clip(0, BINS - 1)
    return float(np.abs(np.bincount(bin_of, weights=predictions - truth)).sum() / len(predictions))


def brier_score(probabilities: NDArray[np.floating], targets: NDArray[np.floating], *, exclusive: bool = True) -> float:
    """Return the mean squared error, of an exclusive head summed over the classes (0 to 2), else averaged over them (0 to 1).

    References
    ----------
    Brier (1950), Monthly Weather Review 78, 1.
    """
    squares = (np.asarray(probabilities, np.float64) - targets) ** 2
    return float(squares.sum(axis=1).mean() if exclusive else squares.mean())
