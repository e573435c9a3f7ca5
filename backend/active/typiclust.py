"""TypiClust: the most typical galaxies of clusters without a labelled one, for projects with few or no labels.

References
----------
Hacohen, Dekel & Weinshall (2022), ICML ("Active learning on a budget", TypiClust).
"""

from __future__ import annotations

import numpy as np

from backend.active.clusters import find_clusters, sample_rows
from backend.active.pool import Floats, Indices, Pool

__all__ = ["select"]

MOST_CLUSTERS = 500
"""As in the paper: with more clusters, each holds too few galaxies to measure which are typical."""
NEIGHBOURS = 20
"""Number of neighbours whose mean distance measures how typical a galaxy is (paper, section 2.2)."""
CHUNK = 1_000


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the most typical galaxy of each of the largest clusters without a labelled one."""
    rows = sample_rows(len(pool), source)
    features = pool.features[rows]
    together = np.concatenate([features, pool.labelled_features]) if len(pool.labelled_features) else features
    clusters, centres = find_clusters(together, min(MOST_CLUSTERS, len(pool.labelled_features) + count, len(together)), source)
    in_pool, of_labelled = clusters[: len(rows)], clusters[len(rows) :]
    sizes = np.bincount(in_pool, minlength=len(centres))
    labels = np.bincount(of_labelled, minlength=len(centres))
    picks: list[int] = []
    by_typicality: dict[int, list[int]] = {}
    while len(picks) < min(count, len(rows)):
        # Fewest labels first, then the largest cluster: where there are more labels than clusters, each gets its next in turn.
        left = np.flatnonzero(sizes > 0)
        cluster = int(left[np.lexsort((-sizes[left], labels[left]))[0]])
        if cluster not in by_typicality:
            members = np.flatnonzero(in_pool == cluster)
            by_typicality[cluster] = members[np.argsort(_typicality(features[members]), kind="stable")].tolist()
        picks.append(by_typicality[cluster].pop())
        sizes[cluster] -= 1
        labels[cluster] += 1
    return rows[np.asarray(picks, np.intp)]


def _typicality(features: Floats) -> Floats:
    """Return the inverse of the mean distance to the nearest neighbours, shape (n,) (paper, eq. 1)."""
    if len(features) == 1:
        return np.ones(1, np.float32)
    count = min(NEIGHBOURS, len(features) - 1)
    squares = np.square(features).sum(axis=1)
    means = np.empty(len(features), np.float32)
    for start in range(0, len(features), CHUNK):
        rows = slice(start, start + CHUNK)
        distances = squares[rows, None] + squares - 2 * features[rows] @ features.T
        # The nearest one is the galaxy itself, at a distance of 0.
        nearest = np.partition(distances, count, axis=1)[:, : count + 1].clip(0, None)
        means[rows] = np.sqrt(nearest).sum(axis=1) / (count + 1)
    typicality: Floats = np.reciprocal(np.maximum(means, 1e-7, dtype=np.float32))
    return typicality
