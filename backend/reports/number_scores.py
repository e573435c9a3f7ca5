"""Scores of predicted numbers: error, scatter, bias, outliers, explained variance, and coverage of the intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.reports.resampling import Score

__all__ = ["bias", "coverage", "outlier_share", "r2", "rmse", "scaled_errors", "sigma_nmad", "weighted_median"]

Floats = NDArray[np.float64]

NMAD = 1.4826
"""Standard deviation of a normal distribution with a median absolute deviation of 1."""
REDSHIFT_OUTLIER = 0.15
OUTLIER_SIGMAS = 5.0


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


def scaled_errors(predictions: Floats, true: Floats, *, relative: bool) -> Floats:
    """Return the errors of predictions, shape (n,); of redshifts (`relative`), each divided by one plus the true value."""
    return np.asarray((predictions - true) / (1 + np.maximum(true, 0) if relative else 1), np.float64)


def sigma_nmad(errors: Floats) -> Score:
    """Return the score that computes 1.4826 times the median absolute deviation of errors from their median.

    References
    ----------
    Ilbert et al. (2009), ApJ 690, 1236; Hoaglin, Mosteller & Tukey (1983).
    """

    def compute(weights: Floats) -> Floats:
        middle = weighted_median(errors[None].repeat(len(weights), axis=0), weights)
        return NMAD * weighted_median(np.abs(errors - middle[:, None]), weights)

    return compute


def bias(errors: Floats) -> Score:
    """Return the score that computes the median error."""
    return lambda weights: weighted_median(errors[None].repeat(len(weights), axis=0), weights)


def outlier_share(errors: Floats, *, relative: bool) -> Score:
    """Return the score that computes the share of outliers.

    An outlier of redshifts has an error above 0.15 (1 + z); of other numbers, one above five times sigma_NMAD.
    """
    limit = REDSHIFT_OUTLIER if relative else OUTLIER_SIGMAS * float(sigma_nmad(errors)(np.ones((1, len(errors))))[0])
    outlying = (np.abs(errors) > limit).astype(np.float64)
    return lambda weights: weights @ outlying / weights.sum(axis=1)


def coverage(predictions: Floats, half_widths: Floats, true: Floats) -> Score:
    """Return the score that computes the share of values inside the intervals of their predictions."""
    inside = (np.abs(predictions - true) <= half_widths).astype(np.float64)
    return lambda weights: weights @ inside / weights.sum(axis=1)


def weighted_median(values: Floats, weights: Floats) -> Floats:
    """Return the weighted median of each row, shape (r,), of values and weights of shape (r, n)."""
    order = np.argsort(values, axis=1, kind="stable")
    sums = np.take_along_axis(weights, order, axis=1).cumsum(axis=1)
    place = (sums >= sums[:, -1:] / 2).argmax(axis=1)
    return np.asarray(np.take_along_axis(values, order, axis=1)[np.arange(len(values)), place], np.float64)
