"""Intervals of predicted numbers, calibrated on errors of galaxies that the prediction was not fitted to.

The errors are those of cross-validation (leave-one-out for a ridge regression). Each is divided by the error that is expected
of its prediction; the quantile of these ratios at a level scales the expected error of a new galaxy to its interval.

References
----------
Vovk (2015), Annals of Mathematics and Artificial Intelligence 74, 9: cross-conformal prediction.
Barber, Candès, Ramdas & Tibshirani (2021), Annals of Statistics 49, 486: jackknife+ and CV+.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVELS", "Intervals"]

Floats = NDArray[np.float64]

LEVELS = (0.68, 0.9)
"""Shares of galaxies whose value lies in the two intervals of a prediction."""
IN_A_BIN, MOST_BINS = 25, 8
"""Fewest errors in a bin of predictions, and most bins, of which the typical error is taken."""
LEAST_SHARE = 0.2
"""Smallest expected error, as a share of the median one: a bin of lucky predictions is not exact."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """The expected error as a function of the prediction, and what scales it to intervals.

    Attributes
    ----------
    places, typical : ndarray, shape (b,)
        Predictions at the middle of each bin, ascending, and the typical error there; it is interpolated.
    factors : ndarray, shape (2,)
        Half-width of the interval at each of `LEVELS`, in units of the expected error.
    """

    places: Floats
    typical: Floats
    factors: Floats

    @classmethod
    def calibrate(cls, predictions: Floats, errors: Floats, relative: Floats) -> Self:
        """Calibrate on n galaxies that the predictions were not fitted to.

        Parameters
        ----------
        predictions, errors : ndarray, shape (n,)
            Predictions, and the values minus them.
        relative : ndarray, shape (n,)
            Relative error that the fit itself expects of each prediction; ones if it expects none.
        """
        bins = max(1, min(MOST_BINS, len(predictions) // IN_A_BIN))
        scaled_errors = np.abs(errors) / relative
        order = np.argsort(predictions, kind="stable")
        parts = np.array_split(order, bins)
        floor = max(LEAST_SHARE * float(np.median(scaled_errors)), 1e-12)
        places = np.array([np.median(predictions[part]) for part in parts])
        typical = np.array([max(float(np.median(scaled_errors[part])), floor) for part in parts])
        ratios = np.sort(scaled_errors / np.interp(predictions, places, typical))
        n = len(ratios)
        # The (n + 1)-th part above the share: with few galaxies the largest error is the quantile.
        factors = np.array([ratios[min(math.ceil((n + 1) * level), n) - 1] for level in LEVELS])
        return cls(places, typical, factors)

    def half_widths(self, predictions: Floats, relative: Floats) -> Floats:
        """Return the half-widths of the intervals of n predictions, shape (2, n): one row for each of `LEVELS`."""
        expected = np.interp(predictions, self.places, self.typical) * relative
        return np.asarray(self.factors[:, None] * expected, np.float64)
