"""k-means start: galaxies from the middle of clusters, typical and different, for a first batch."""

from __future__ import annotations

import numpy as np

from backend.active.clusters import find_clusters, sample_rows
from backend.active.pool import Indices, Pool

__all__ = ["select"]


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxy nearest to the centre of each of `count` clusters; the largest cluster comes first."""
    rows = sample_rows(len(pool), source)
    features = pool.features[rows]
    clusters, centres = find_clusters(features, min(count, len(rows)), source)
    picks: list[int] = []
    for cluster in np.argsort(-np.bincount(clusters, minlength=len(centres)), kind="stable"):
        members = np.flatnonzero(clusters == cluster)
        if members.size:
            picks.append(int(members[np.square(features[members] - centres[cluster]).sum(axis=1).argmin()]))
    fillers = source.permutation(np.setdiff1d(np.arange(len(rows)), picks, assume_unique=True))
    order: Indices = rows[np.concatenate([np.asarray(picks, np.intp), fillers])[:count]]
    return order
