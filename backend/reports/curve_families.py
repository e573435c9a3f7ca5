"""Families of learning curves: quality as a function of the number of labels, fitted by weighted least squares.

Every family has the form ``a - b g(n)`` with ``b >= 0``, where ``g`` falls with the number of labels ``n``. So a fitted curve
never falls, and ``a``, the quality after unlimited labels, is at most 1. For given shape parameters of ``g`` the best ``a`` and
``b`` follow in closed form; the shape parameters are taken from a grid. The grid replaces an iteration from several starts,
which can end in a local minimum.

References
----------
Viering & Loog (2023), IEEE TPAMI 45, 7799, "The shape of learning curves: a review": the families. Mohr, Viering, Loog & van
Rijn (2022), ECML PKDD, "LCDB 1.0": the Morgan-Mercer-Flodin and Weibull families extrapolate best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "Family", "FittedCurves", "fit_family"]

Floats = NDArray[np.float64]

BEST_QUALITY = 1.0
"""Largest value of the scores that learning curves are drawn of: AUC, R2, average precision, mean IoU."""


@dataclass(frozen=True, slots=True)
class Family:
    """One family of curves ``a - b g(n)``.

    Attributes
    ----------
    name : str
    parameters : int
        Number of fitted parameters, ``a`` and ``b`` among them.
    shapes : callable
        Number of labels of the largest point to the grid of shape parameters, shape (s, p).
    decay : callable
        Numbers of labels, shape (n,), and shape parameters, shape (s, p), to ``g``, shape (s, n).
    """

    name: str
    parameters: int
    shapes: Callable[[float], Floats]
    decay: Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class FittedCurves:
    """Curves of one family, one for each of r rows of values.

    Attributes
    ----------
    family : Family
    asymptote, amplitude : ndarray, shape (r,)
        ``a`` and ``b``.
    shape : ndarray, shape (r, p)
        Shape parameters of ``g``.
    residual : ndarray, shape (r,)
        Weighted mean of the squared residuals.
    """

    family: Family
    asymptote: Floats
    amplitude: Floats
    shape: Floats
    residual: Floats

    def predict(self, labels: Floats) -> Floats:
        """Return the quality of each curve at numbers of labels, shape (r, n); at most 1."""
        decay = self.family.decay(labels, self.shape)
        return np.minimum(self.asymptote[:, None] - self.amplitude[:, None] * decay, BEST_QUALITY)


def fit_family(family: Family, labels: Floats, values: Floats, weights: Floats) -> FittedCurves:
    """Fit one family to several rows of values.

    Parameters
    ----------
    family : Family
    labels : ndarray, shape (n,)
        Numbers of labels.
    values : ndarray, shape (r, n)
        Quality at these numbers.
    weights : ndarray, shape (n,)
        Weight of each squared residual.
    """
    shapes = family.shapes(float(labels.max()))
    decay = family.decay(labels, shapes)
    share = weights / weights.sum()
    mean_value, mean_decay = values @ share, decay @ share
    decay_deviations = decay - mean_decay[:, None]
    variance = (decay_deviations**2) @ share
    amplitude = np.maximum(-((values * share) @ decay_deviations.T) / np.maximum(variance, 1e-300), 0)
    asymptote = mean_value[:, None] + amplitude * mean_decay
    if family.name != LOGARITHMIC:
        # Where the free asymptote exceeds 1, the best curve has an asymptote of 1.
        amplitudes = np.maximum(((BEST_QUALITY - values) * share) @ decay.T / np.maximum((decay**2) @ share, 1e-300), 0)
        amplitude = np.where(asymptote > BEST_QUALITY, amplitudes, amplitude)
        asymptote = np.minimum(asymptote, BEST_QUALITY)
    residuals = ((values[:, None] - asymptote[..., None] + amplitude[..., None] * decay) ** 2) @ share
    best_rates, rows = residuals.argmin(axis=1), np.arange(len(values))
    return FittedCurves(
        family, asymptote[rows, best_rates], amplitude[rows, best_rates], shapes[best_rates], residuals[rows, best_rates]
    )


def _power(labels: Floats, shapes: Floats) -> Floats:
    return np.asarray((1 + labels) ** -shapes, np.float64)


def _exponential(labels: Floats, shapes: Floats) -> Floats:
    return np.asarray(np.exp(-labels / shapes), np.float64)


def _weibull(labels: Floats, shapes: Floats) -> Floats:
    return np.asarray(np.exp(-((labels / shapes[:, :1]) ** shapes[:, 1:])), np.float64)


def _morgan(labels: Floats, shapes: Floats) -> Floats:
    return np.asarray(1 / (1 + (labels / shapes[:, :1]) ** shapes[:, 1:]), np.float64)


def _logarithm(labels: Floats, shapes: Floats) -> Floats:
    return np.asarray(np.repeat(-np.log1p(labels)[None], len(shapes), axis=0), np.float64)


def _scales(largest: float) -> Floats:
    """Return a grid of numbers of labels, from a fiftieth to ten times the largest point."""
    return np.asarray(np.geomspace(largest / 50, 10 * largest, 30), np.float64)


def _scales_and_slopes(largest: float, slopes: tuple[float, ...]) -> Floats:
    """Return a grid of scales and slopes; a curve with a slope above 1 is steepest in the first half of the points.

    Otherwise flat points would be continued by a curve that rises later.
    """
    pairs = product(_scales(largest).tolist(), slopes)
    return np.array([(scale, slope) for scale, slope in pairs if slope <= 1 or scale <= largest / 2])


LOGARITHMIC = "logarithmic"
"""Name of the only family without an asymptote; its values are cut at 1."""

FAMILIES = (
    Family("power law", 3, lambda _: np.geomspace(0.05, 3, 40).astype(np.float64)[:, None], _power),
    Family("exponential", 3, lambda largest: _scales(largest)[:, None], _exponential),
    Family("Morgan-Mercer-Flodin", 4, lambda largest: _scales_and_slopes(largest, (0.5, 0.75, 1, 1.5, 2, 3)), _morgan),
    Family("Weibull", 4, lambda largest: _scales_and_slopes(largest, (0.25, 0.5, 0.75, 1.5)), _weibull),
    Family(LOGARITHMIC, 2, lambda largest: np.zeros((1, 1)), _logarithm),
)
