"""Interest: galaxies that may be rated higher than the best ones so far, by expected improvement of a Gaussian process.

References
----------
Lochner & Rudnick (2025), AJ 169 (Astronomaly: Protege, arXiv:2411.04188). Rasmussen & Williams (2006), algorithm 2.1.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from backend.active.pool import Floats, Indices, Pool
from backend.active.uncertainty_herding import select as select_by_herding

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

__all__ = ["select"]

LEAST_RATED = 3
MOST_RATED = 1_000
"""Ratings that the process is fitted to, at random: the time grows with their third power, 1,000 take two seconds."""
VARIANCES = (0.3, 10.0)
"""Bounds of the variance of the process, relative to the variance of the ratings. The lower one keeps galaxies unlike all rated
ones attractive, where a few ratings look like noise."""
WIDTHS = (0.25, 2.0)
"""Bounds of the width of the kernel, as a distance between features of length 1."""
NOISES = (0.03, 1.0)
"""Bounds of the variance of a rating about the process, relative to the variance of the ratings."""
LEAST_DEVIATION = 1e-6
CHUNK = 10_000


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies of the highest expected improvement; with fewer than `LEAST_RATED` ratings by herding."""
    rated_rows = np.flatnonzero(np.isfinite(pool.ratings))
    if len(rated_rows) < LEAST_RATED:
        return select_by_herding(pool, count, source)
    rated_rows = source.permutation(rated_rows)[:MOST_RATED]
    features = pool.labelled_features[rated_rows]
    process = _fit(features, pool.ratings[rated_rows])
    best_prediction = process.predict(features).max()
    improvement = np.empty(len(pool))
    for start in range(0, len(pool), CHUNK):
        rows = slice(start, start + CHUNK)
        mean, deviation = process.predict(pool.features[rows], return_std=True)
        deviation = np.maximum(deviation, LEAST_DEVIATION)
        gain = (mean - best_prediction) / deviation
        density = np.exp(-(gain**2) / 2) / np.sqrt(2 * np.pi)
        improvement[rows] = deviation * (gain * ndtr(gain) + density)
    order: Indices = np.argsort(-improvement, kind="stable")
    return order[:count]


def _fit(features: Floats, ratings: Floats) -> GaussianProcessRegressor:
    """Fit a Gaussian process with a Gaussian kernel and noise, of the highest marginal likelihood."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(1, VARIANCES) * RBF(1, WIDTHS) + WhiteKernel(0.3, NOISES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the likelihood is highest at a bound
        process = GaussianProcessRegressor(kernel, normalize_y=True).fit(features, ratings)
    process.kernel_ = process.kernel_.k1  # deviations of the process itself, without the noise of a rating
    return process
