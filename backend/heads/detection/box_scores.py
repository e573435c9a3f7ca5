"""Calibrated scores of detected objects: annotators keep 80 % of the objects with a score of 0.8.

The method is Platt's logistic calibration, with a prior around the uncalibrated scores. The total weight of the objects of an
image is limited, because one annotator decides on all of them. The slope is positive, so a calibration keeps the order of the
scores: two deleted boxes cannot give the brightest galaxies the lowest scores.

References
----------
Platt (1999), in Advances in large margin classifiers; Lipton, Elkan & Narayanaswamy (2014), ECML, arXiv:1402.1892.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit

from backend.heads.storage import StoredHead

__all__ = ["UNCALIBRATED", "ScoreCalibration", "best_least_score", "weigh_by_image"]

OBJECTS_AN_IMAGE = 5.0
"""Largest total weight of the objects of one image."""
LOG_SLOPE_SPREAD = 0.5
SHIFT_SPREAD = 1.5
EXTREME = 1e-3


@dataclass(frozen=True, slots=True)
class ScoreCalibration:
    """A map from scores to the frequency with which annotators keep objects of that score.

    Attributes
    ----------
    slope : float
        Factor of the log-odds, above 0.
    shift : float
        Constant that is added to the scaled log-odds.
    """

    slope: float = 1.0
    shift: float = 0.0

    @classmethod
    def fit(cls, scores: NDArray[np.floating], is_object: NDArray[np.bool_], weights: NDArray[np.floating]) -> Self:
        """Fit a calibration to objects that annotators kept or deleted; without objects, it does not change scores.

        Parameters
        ----------
        scores, weights : ndarray, shape (n,)
            Scores in [0, 1]; weight of each object.
        is_object : ndarray of bool, shape (n,)
            Whether annotators kept the object.
        """
        odds = _log_odds(scores)
        signs = np.where(is_object, 1.0, -1.0)

        def cost(parameters: NDArray[np.float64]) -> float:
            log_slope, shift = parameters
            losses = np.logaddexp(0, -signs * (np.exp(log_slope) * odds + shift))
            return float(weights @ losses + (log_slope / LOG_SLOPE_SPREAD) ** 2 / 2 + (shift / SHIFT_SPREAD) ** 2 / 2)

        log_slope, shift = minimize(cost, np.zeros(2), method="L-BFGS-B").x.tolist()
        return cls(float(np.exp(log_slope)), float(shift))

    @classmethod
    def from_record(cls, record: StoredHead) -> Self:
        """Return the calibration of a stored head, or the identity for heads of old versions, which have no calibration."""
        if "calibration" not in record.fields:
            return cls()
        return record.build("calibration", lambda fields: cls(float(fields["slope"]), float(fields["shift"])))

    def apply(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrate scores, shape (n,)."""
        if self == UNCALIBRATED:
            return np.asarray(scores, np.float32)
        probabilities: NDArray[np.float32] = expit(self.slope * _log_odds(scores) + self.shift).astype(np.float32)
        return probabilities


UNCALIBRATED = ScoreCalibration()


def weigh_by_image(counts: Sequence[int]) -> NDArray[np.float64]:
    """Return the weight of each object, shape (sum of counts,), given the number of objects of each image."""
    return np.concatenate([np.full(count, min(1.0, OBJECTS_AN_IMAGE / max(count, 1))) for count in counts] or [np.empty(0)])


def best_least_score(scores: NDArray[np.floating], object_count: int) -> float:
    """Return the score threshold with the best F1 that is expected from calibrated scores.

    It is half of that F1 (Lipton et al. 2014, theorem 1), and therefore at most 0.5: objects that annotators keep in most cases
    are predicted, even if all training objects had higher scores.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Calibrated scores of the objects of all images.
    object_count : int
        Number of objects that annotators drew.
    """
    if not len(scores):
        return 0.0
    descending = np.sort(scores)[::-1].astype(np.float64)
    expected_f1 = 2 * np.cumsum(descending) / (np.arange(1, len(descending) + 1) + max(object_count, float(descending.sum())))
    return float(expected_f1.max() / 2)


def _log_odds(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    odds: NDArray[np.float64] = logit(np.asarray(scores, np.float64).clip(EXTREME, 1 - EXTREME))
    return odds
