"""Cohen's kappa: agreement of the predictions of two versions beyond chance.

References
----------
Cohen (1960), Educational and Psychological Measurement 20, 37. Bloodgood & Vijay-Shanker (2009), CoNLL, "A method for stopping
active learning based on stabilizing predictions": kappa of consecutive versions as a criterion to stop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.reports.resampling import Score

__all__ = ["cohen_kappa"]

Floats = NDArray[np.float64]


def cohen_kappa(first: NDArray[np.intp], second: NDArray[np.intp]) -> Score:
    """Return the score that computes Cohen's kappa.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        Predictions of two versions for the same images.

    Returns
    -------
    Score
        1 if both versions give all images the same class, where the formula is undefined.
    """
    names = np.unique(np.concatenate([first, second]))
    first_hot, second_hot = (np.asarray(labels[:, None] == names, np.float64) for labels in (first, second))

    def compute(weights: Floats) -> Floats:
        total = weights.sum(axis=1)
        observed_agreement = weights @ np.asarray(first == second, np.float64) / total
        expected_agreement = ((weights @ first_hot) * (weights @ second_hot)).sum(axis=1) / total**2
        chance = 1 - expected_agreement
        kappa = np.divide(observed_agreement - expected_agreement, chance, out=np.ones(len(weights)), where=chance > 1e-12)
        return np.asarray(kappa, np.float64)

    return compute
