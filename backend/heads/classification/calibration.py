"""Calibration: whether a head's probabilities are frequencies, on galaxies that it was not trained on.

Own few lines, because torchmetrics' calibration errors take hard labels only, and several annotators make soft ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["brier_score", "expected_calibration_error"]


def expected_calibration_error(
    probabilities: NDArray[np.floating], targets: NDArray[np.floating], *, exclusive: bool = True, bins: int = 15
) -> float:
    """How far the head is from as often right as it says, 0 to 1: mean over bins of equal width, weighted by what is in them.

    Of few galaxies it is mostly noise, and never 0: some fifty of them let a calibrated head seem off by 0.1.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (n, k)
        Predicted; share of annotators that chose each class.
    exclusive : bool
        Whether the likeliest class of each galaxy is judged, by the share that chose it (Guo et al. 2017, eq. 3), or each class
        by itself, as a yes-or-no question (Naeini et al. 2015).
    bins : int

    Raises
    ------
    ValueError
        If the shapes differ, or there is nothing to judge.

    References
    ----------
    Guo et al. (2017), ICML, arXiv:1706.04599; Naeini, Cooper & Hauskrecht (2015), AAAI 29.
    """
    said, true = np.asarray(probabilities, np.float64), np.asarray(targets, np.float64)
    if said.shape != true.shape or said.ndim != 2 or not said.size:
        raise ValueError(f"probabilities and targets must have one shape (n, k), not {said.shape} and {true.shape}")
    if exclusive:
        rows, likeliest = np.arange(len(said)), said.argmax(axis=1)
        said, true = said[rows, likeliest], true[rows, likeliest]
    said, true = said.ravel(), true.ravel()
    binned = (said * bins).astype(int).clip(0, bins - 1)
    return float(np.abs(np.bincount(binned, weights=said - true)).sum() / len(said))


def brier_score(probabilities: NDArray[np.floating], targets: NDArray[np.floating], *, exclusive: bool = True) -> float:
    """Mean over galaxies of the squared error: summed over the classes of an exclusive head (0 to 2), else their mean (0 to 1).

    References
    ----------
    Brier (1950), Monthly Weather Review 78, 1.
    """
    squares = (np.asarray(probabilities, np.float64) - targets) ** 2
    return float(squares.sum(axis=1).mean() if exclusive else squares.mean())
