"""Forecast of the gain from more labels: several families of curves, weighted by how well they predict, with an interval.

Each point but the first is predicted from the others. The errors of these predictions give the weight of each family and the
scatter of the points, so a family with many parameters has no advantage. The interval contains the scatter, by a bootstrap of
these errors, and the disagreement of the families: each bootstrap sample draws one family by its weight. Points with more
labels scatter less: the interval takes the scatter as proportional to one over the square root of the number of labels, which
held the measured gain more nearly in 68 % of the cases on validation curves than a scatter that falls more slowly, or faster
(docs/benchmarks.md). The weight of a point in the fit is that square root. The spread of the points is not used: their scores
share the same held-out images, so their differences are known better than each of them.

References
----------
Viering & Loog (2023), IEEE TPAMI 45, 7799: families of learning curves. Stone (1974), JRSS B 36, 111: cross-validation that
leaves out one point. Efron & Tibshirani (1993), "An introduction to the bootstrap", chapter 9: bootstrap of residuals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.reports.curve import CurvePoint
from backend.reports.curve_families import FAMILIES, fit_family
from backend.reports.estimate import Estimate

__all__ = ["FEWEST_POINTS", "LEVEL", "NoForecast", "forecast"]

Floats = NDArray[np.float64]

FEWEST_POINTS = 4
"""Smallest number of points: with three, every family with three parameters fits exactly."""
LEAST_RANGE = 2.0
"""Smallest ratio of the largest to the smallest number of labels."""
LEVEL = 0.68
"""Confidence level of the interval, one standard deviation of a normal distribution on each side."""
SAMPLES = 400
LEAST_SCATTER = 0.001
"""Smallest standard deviation of a point about the curve: trainings on other galaxies differ by at least this."""


class NoForecast(ValueError):  # noqa: N818  (a result, not a failure of the program)
    """The points do not allow a forecast; the message is the reason in one sentence."""


def forecast(points: Sequence[CurvePoint], *, at: int, further_labels: int) -> tuple[Estimate, dict[str, float]]:
    """Forecast the gain of quality from more labels.

    Parameters
    ----------
    points : sequence of CurvePoint
        Quality at numbers of labels; larger values are better, and 1 is the best.
    at : int
        Number of labels now.
    further_labels : int
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
    errors = _errors(labels, values, weights)
    shares = _shares(errors, weights)
    span = np.array([at, at + further_labels], np.float64)
    gains = {fit.family.name: float(np.diff(fit.predict(span)[0])[0]) for fit in fits}
    gain = float(shares @ np.array(list(gains.values())))
    curve = shares @ np.concatenate([fit.predict(labels) for fit in fits])
    low, high = _interval(labels, curve, weights, shares @ errors, shares=shares, span=span)
    return Estimate(value=gain, low=min(low, gain), high=max(high, gain)), gains


def _arrays(points: Sequence[CurvePoint]) -> tuple[Floats, Floats, Floats]:
    """Return numbers of labels, values and weights, shape (n,) each, of the points with labels."""
    points_by_size = sorted((point for point in points if point.labels > 0), key=lambda point: point.labels)
    sizes = {point.labels for point in points_by_size}
    if len(sizes) < FEWEST_POINTS:
        raise NoForecast(f"A forecast needs {FEWEST_POINTS} points of the learning curve, which has {len(sizes)}.")
    if points_by_size[-1].labels < LEAST_RANGE * points_by_size[0].labels:
        raise NoForecast(
            f"A forecast needs points at numbers of labels that differ by a factor of {LEAST_RANGE:g}; "
            f"they range from {points_by_size[0].labels} to {points_by_size[-1].labels}."
        )
    labels, values = np.array([(point.labels, point.value) for point in points_by_size], np.float64).T
    weights = np.sqrt(labels)
    return labels, values, weights / weights.mean()


def _errors(labels: Floats, values: Floats, weights: Floats) -> Floats:
    """Return the error of each family at each point but the first, fitted on the other points, shape (f, n - 1)."""
    errors = np.zeros((len(FAMILIES), len(labels) - 1))
    for place in range(1, len(labels)):
        is_other = np.arange(len(labels)) != place
        for row, family in enumerate(FAMILIES):
            fit = fit_family(family, labels[is_other], values[None, is_other], weights[is_other])
            errors[row, place - 1] = values[place] - fit.predict(labels[[place]])[0, 0]
    return errors


def _shares(errors: Floats, weights: Floats) -> Floats:
    """Return the weight of each family, shape (f,), with sum 1: the likelihood of its errors if they are normal."""
    # Squared: a family is good that predicts the points with many labels, since it is used to go beyond them.
    emphasis = weights[1:] ** 2
    variance = np.maximum((errors**2) @ emphasis / emphasis.sum(), LEAST_SCATTER**2)
    likelihood = (variance / variance.min()) ** (-errors.shape[1] / 2)
    return np.asarray(likelihood / likelihood.sum(), np.float64)


def _interval(
    labels: Floats, curve: Floats, weights: Floats, errors: Floats, *, shares: Floats, span: Floats
) -> tuple[float, float]:
    """Return the bounds of the measured gain."""
    source = np.random.default_rng(0)
    count = len(labels)
    scatter = np.maximum(np.abs(errors) * weights[1:], LEAST_SCATTER)
    # Signs are random: a few errors that are all negative would shift every sample.
    residuals = scatter[source.integers(0, count - 1, (SAMPLES, count))] * source.choice([-1.0, 1.0], (SAMPLES, count))
    samples = curve + residuals / weights
    gains = np.stack([np.diff(fit_family(family, labels, samples, weights).predict(span))[:, 0] for family in FAMILIES])
    families = source.choice(len(FAMILIES), SAMPLES, p=shares)
    # The gain is measured between two trainings, each with its own scatter.
    later = np.sqrt(np.mean(scatter**2)) * np.sqrt(labels).mean() / np.sqrt(span)
    measured_gains = gains[families, np.arange(SAMPLES)] + source.normal(0, float(np.hypot(*later)), SAMPLES)
    low, high = np.quantile(measured_gains, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
