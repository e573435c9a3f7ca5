"""Forecast of the gain from more labels: several families of curves, weighted by their fit, with an interval.

The interval contains the scatter of the points about the curve, by a bootstrap of the residuals, and the disagreement of the
families: each bootstrap sample draws one family by its weight.

References
----------
Viering & Loog (2023), IEEE TPAMI 45, 7799: families of learning curves. Burnham & Anderson (2002), "Model selection and
multimodel inference", section 2.9: weights of models. Efron & Tibshirani (1993), "An introduction to the bootstrap", chapter 9:
bootstrap of residuals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.reports.curve_families import FAMILIES, FittedCurves, fit_family
from backend.reports.report import CurvePoint, Estimate

__all__ = ["FEWEST_POINTS", "LEVEL", "NoForecast", "forecast"]

Floats = NDArray[np.float64]

FEWEST_POINTS = 4
"""Smallest number of points: with three, every family with three parameters fits exactly."""
LEAST_RANGE = 2.0
"""Smallest ratio of the largest to the smallest number of labels."""
LEVEL = 0.68
"""Confidence level of the interval, one standard deviation of a normal distribution on each side."""
SAMPLES = 400
LEAST_SCATTER = 0.002
"""Smallest standard deviation of a point about the curve: trainings on other galaxies differ by at least this."""


class NoForecast(ValueError):  # noqa: N818  (a result, not a failure of the program)
    """The points do not allow a forecast; the message is the reason in one sentence."""


def forecast(points: Sequence[CurvePoint], *, at: int, more: int) -> tuple[Estimate, dict[str, float]]:
    """Forecast the gain of quality from more labels.

    Parameters
    ----------
    points : sequence of CurvePoint
        Quality at numbers of labels; larger values are better, and 1 is the best.
    at : int
        Number of labels now.
    more : int
        Number of additional labels.

    Returns
    -------
    Estimate
        Gain between `at` and ``at + more`` labels: the weighted mean of the families, at least 0, and the interval at `LEVEL`
        of the gain that the next measurement shows.
    dict
        Name of each family to the gain that it predicts.

    Raises
    ------
    NoForecast
        If there are too few points, or they lie too close together.
    """
    labels, values, weights = _arrays(points)
    fits = [fit_family(family, labels, values[None], weights) for family in FAMILIES]
    shares = _weights(fits, len(labels))
    span = np.array([at, at + more], np.float64)
    gains = {fit.family.name: float(np.diff(fit.predict(span)[0])[0]) for fit in fits}
    gain = float(shares @ np.array(list(gains.values())))
    curve = shares @ np.concatenate([fit.predict(labels) for fit in fits])
    low, high = _interval(labels, values, weights, curve, shares=shares, span=span)
    return Estimate(value=gain, low=min(low, gain), high=max(high, gain)), gains


def _arrays(points: Sequence[CurvePoint]) -> tuple[Floats, Floats, Floats]:
    """Return numbers of labels, values and weights, shape (n,) each, of the points with labels."""
    ordered = sorted((point for point in points if point.labels > 0), key=lambda point: point.labels)
    sizes = {point.labels for point in ordered}
    if len(sizes) < FEWEST_POINTS:
        raise NoForecast(f"A forecast needs {FEWEST_POINTS} points of the learning curve; there are {len(sizes)}.")
    if ordered[-1].labels < LEAST_RANGE * ordered[0].labels:
        raise NoForecast(
            f"A forecast needs points at numbers of labels that differ by a factor of {LEAST_RANGE:g}; "
            f"they range from {ordered[0].labels} to {ordered[-1].labels}."
        )
    labels, values, spread = np.array([(point.labels, point.value, point.spread) for point in ordered], np.float64).T
    return labels, values, 1 / (spread**2 + LEAST_SCATTER**2)


def _weights(fits: Sequence[FittedCurves], points: int) -> Floats:
    """Return the weight of each family by the Bayesian information criterion, shape (f,), with sum 1."""
    criterion = [
        points * np.log(max(float(fit.residual[0]), LEAST_SCATTER**2)) + fit.family.parameters * np.log(points) for fit in fits
    ]
    likelihood = np.exp(-(np.array(criterion) - min(criterion)) / 2)
    return np.asarray(likelihood / likelihood.sum(), np.float64)


def _interval(
    labels: Floats, values: Floats, weights: Floats, curve: Floats, *, shares: Floats, span: Floats
) -> tuple[float, float]:
    """Return the bounds of the measured gain."""
    source = np.random.default_rng(0)
    count = len(labels)
    parameters = float(shares @ np.array([family.parameters for family in FAMILIES]))
    scale = np.sqrt(weights / weights.mean())
    residuals = (values - curve) * scale * np.sqrt(count / max(count - parameters, 1.0))
    scatter = max(float(np.sqrt(np.mean(residuals**2))), LEAST_SCATTER)
    # Signs are random, too: a few residuals that are all negative would shift every sample.
    signs = source.choice([-1.0, 1.0], (SAMPLES, count))
    drawn = np.abs(residuals)[source.integers(0, count, (SAMPLES, count))]
    samples = curve + signs * np.maximum(drawn, LEAST_SCATTER) / scale
    gains = np.stack([np.diff(fit_family(family, labels, samples, weights).predict(span))[:, 0] for family in FAMILIES])
    families = source.choice(len(FAMILIES), SAMPLES, p=shares)
    measured = gains[families, np.arange(SAMPLES)] + source.normal(0, scatter, SAMPLES)
    low, high = np.quantile(measured, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
