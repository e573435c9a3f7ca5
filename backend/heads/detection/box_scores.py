"""Calibrated scores of detected objects: of the objects with a score of 0.8, annotators keep eight of ten.

Platt's logistic calibration with a prior around the uncalibrated scores. The objects of an image count as a few independent
ones, because one annotator decides on all of them. A calibration keeps the order of the scores, so that two deleted boxes
cannot make the brightest galaxies the least likely ones.

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
    """From a score to the frequency with which annotators keep an object of that score.

    Attributes
    ----------
    slope : float
        Above 0.
    shift : float
        Of the log-odds.
    """

    slope: float = 1.0
    shift: float = 0.0

    @classmethod
    def fit(cls, scores: NDArray[np.floating], kept: NDArray[np.bool_], weights: NDArray[np.floating]) -> Self:
        """Learn from objects that annotators kept or deleted; without any, scores do not change.

        Parameters
        ----------
        scores, weights : ndarray, shape (n,)
            Scores in [0, 1]; weight of each object.
        kept : ndarray of bool, shape (n,)
        """
        odds = _log_odds(scores)
        signs = np.where(kept, 1.0, -1.0)

        def cost(parameters: NDArray[np.float64]) -> float:
            log_slope, shift = parameters
            losses = np.logaddexp(0, -signs * (np.exp(log_slope) * odds + shift))
            return float(weights @ losses + (log_slope / LOG_SLOPE_SPREAD) ** 2 / 2 + (shift / SHIFT_SPREAD) ** 2 / 2)

        log_slope, shift = minimize(cost, np.zeros(2), method="L-BFGS-B").x.tolist()
        return cls(float(np.exp(log_slope)), float(shift))

    @classmethod
    def stored_in(cls, stored: StoredHead) -> Self:
        """Return the calibration of a stored head; a head of an old version has none."""
        if "calibration" not in stored.fields:
            return cls()
        return stored.build("calibration", lambda fields: cls(float(fields["slope"]), float(fields["shift"])))

    def apply(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return calibrated scores, shape (n,)."""
        if self == UNCALIBRATED:
            return np.asarray(scores, np.float32)
        calibrated: NDArray[np.float32] = expit(self.slope * _log_odds(scores) + self.shift).astype(np.float32)
        return calibrated


UNCALIBRATED = ScoreCalibration()


def weigh_by_image(counts: Sequence[int]) -> NDArray[np.float64]:
    """Return the weight of each object, for images with so many objects each; shape (sum of counts,)."""
    return np.concatenate([np.full(count, min(1.0, OBJECTS_AN_IMAGE / max(count, 1))) for count in counts] or [np.empty(0)])


def best_least_score(scores: NDArray[np.floating], drawn: int) -> float:
    """Return the least score of shown objects that gives the best F1 expected from the calibrated scores.

    Half of that F1 (Lipton et al. 2014, theorem 1), so at most a half: objects that annotators keep more often than not are
    shown, also where all training objects had higher scores.

    Parameters
    ----------
    drawn : int
        Number of objects that annotators drew.
    """
    if not len(scores):
        return 0.0
    ordered = np.sort(scores)[::-1].astype(np.float64)
    expected = 2 * np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + max(drawn, float(ordered.sum())))
    return float(expected.max() / 2)


def _log_odds(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    odds: NDArray[np.float64] = logit(np.asarray(scores, np.float64).clip(EXTREME, 1 - EXTREME))
    return odds
