"""Interest: galaxies that may be rated higher than the best ones so far, by expected improvement of a Gaussian process.

References
----------
Lochner & Rudnick (2025), AJ 169 (Astronomaly: Protege, arXiv:2411.04188). Rasmussen & Williams (2006), algorithm 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.stats import norm

from backend.active.pool import Floats, Indices, Pool
from backend.active.uncertainty_herding import select as select_by_herding

__all__ = ["select"]

LEAST_RATED = 3
MOST_RATED = 1_000
"""Ratings that the process is fitted to, at random: the time grows with their third power, 1,000 take a second."""
WIDTHS = (0.25, 0.5, 1.0, 2.0)
"""Widths of the kernel, as distances between features of length 1."""
NOISES = (0.03, 0.1, 0.3, 1.0)
"""Variances of a rating about the process, relative to the variance of the process."""
CHUNK = 10_000


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies of the highest expected improvement; with fewer than `LEAST_RATED` ratings by herding."""
    rated_rows = np.flatnonzero(np.isfinite(pool.ratings))
    if len(rated_rows) < LEAST_RATED:
        return select_by_herding(pool, count, source)
    rated_rows = source.permutation(rated_rows)[:MOST_RATED]
    process = _Process.fit(pool.labelled[rated_rows], pool.ratings[rated_rows].astype(np.float64))
    best_prediction = process.predict(process.features)[0].max()
    improvement = np.empty(len(pool))
    for start in range(0, len(pool), CHUNK):
        rows = slice(start, start + CHUNK)
        mean, deviation = process.predict(pool.features[rows])
        gain = (mean - best_prediction) / deviation
        improvement[rows] = deviation * (gain * norm.cdf(gain) + norm.pdf(gain))
    order: Indices = np.argsort(-improvement, kind="stable")
    return order[:count]


@dataclass(frozen=True, slots=True, eq=False)
class _Process:
    """A Gaussian process with a Gaussian kernel, fitted to ratings.

    Attributes
    ----------
    features : ndarray, shape (m, r)
    factor : ndarray, shape (m, m)
        Lower Cholesky factor of kernel and noise.
    weights : ndarray, shape (m,)
    middle, variance, width : float
        Mean of the ratings, variance of the process, and width of the kernel.
    """

    features: Floats
    factor: NDArray[np.float64]
    weights: NDArray[np.float64]
    middle: float
    variance: float
    width: float

    @classmethod
    def fit(cls, features: Floats, ratings: NDArray[np.float64]) -> Self:
        """Choose width and noise of the highest marginal likelihood; the variance of the process has a closed form."""
        middle = float(ratings.mean())
        best_fit: tuple[float, Self] | None = None
        for width in WIDTHS:
            kernel = _kernel(features, features, width)
            for noise in NOISES:
                factor = cho_factor(kernel + noise * np.eye(len(ratings)), lower=True)
                weights = cho_solve(factor, ratings - middle)
                variance = max(float((ratings - middle) @ weights) / len(ratings), 1e-6)
                likelihood = -len(ratings) / 2 * np.log(variance) - np.log(np.diag(factor[0])).sum()
                if best_fit is None or likelihood > best_fit[0]:
                    best_fit = likelihood, cls(features, np.tril(factor[0]), weights, middle, variance, width)
        assert best_fit is not None
        return best_fit[1]

    def predict(self, features: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the process at features, shape (n,) each."""
        kernel = _kernel(features, self.features, self.width)
        mean = self.middle + kernel @ self.weights
        explained_variance = np.square(solve_triangular(self.factor, kernel.T, lower=True)).sum(axis=0)
        return mean, np.sqrt(self.variance * (1 - explained_variance).clip(1e-6, None))


def _kernel(first: Floats, second: Floats, width: float) -> NDArray[np.float64]:
    cosines = (first @ second.T).astype(np.float64)
    return np.asarray(np.exp((cosines - 1) / width**2), np.float64)
