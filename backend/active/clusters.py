"""Clusters of galaxies by k-means, on a sample of the pool."""

from __future__ import annotations

import warnings

import numpy as np

from backend.active.pool import Floats, Indices

__all__ = ["find_clusters", "sample_rows"]

CLUSTERED = 10_000
"""Largest number of galaxies that are clustered, drawn at random."""
ITERATIONS = 30
"""Most passes of k-means."""


def find_clusters(features: Floats, count: int, source: np.random.Generator) -> tuple[Indices, Floats]:
    """Divide galaxies into clusters by k-means.

    Parameters
    ----------
    features : ndarray, shape (n, r)
    count : int
        Number of clusters, at most n.
    source : numpy.random.Generator

    Returns
    -------
    clusters : ndarray of int, shape (n,)
        Cluster of each galaxy.
    centres : ndarray, shape (count, r)
    """
    if count < 1:
        return np.zeros(len(features), np.intp), np.zeros((0, features.shape[1]), np.float32)
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    kmeans = KMeans(count, n_init=1, max_iter=ITERATIONS, random_state=int(source.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different galaxies than clusters
        clusters: Indices = kmeans.fit_predict(features).astype(np.intp)
    centres: Floats = kmeans.cluster_centers_
    return clusters, centres


def sample_rows(size: int, source: np.random.Generator) -> Indices:
    """Return the rows of a pool that are clustered: all, or a random sample of `CLUSTERED`."""
    return np.arange(size) if size <= CLUSTERED else np.sort(source.choice(size, CLUSTERED, replace=False))
