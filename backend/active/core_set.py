"""Core-set selection: each galaxy is the one farthest from all that are labelled or selected (k-centre greedy).

References
----------
Sener & Savarese (2018), ICLR, algorithm 1.
"""

from __future__ import annotations

import numpy as np

from backend.active.pool import Floats, Indices, Pool

__all__ = ["nearest_similarity", "select"]

CHUNK = 10_000


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the farthest galaxies, one after the other."""
    nearest = nearest_similarity(pool.features, pool.labelled_features)
    picks: list[int] = []
    for _ in range(min(count, len(pool))):
        pick = int(nearest.argmin()) if picks or len(pool.labelled_features) else int(source.integers(len(pool)))
        picks.append(pick)
        np.maximum(nearest, pool.features @ pool.features[pick], out=nearest)
        nearest[pick] = np.inf
    return np.asarray(picks, np.intp)


def nearest_similarity(features: Floats, references: Floats) -> Floats:
    """Return the highest cosine similarity of each row to a row of `references`, shape (n,); -1 if there are none."""
    nearest = np.full(len(features), -1, np.float32)
    for start in range(0, len(features) if len(references) else 0, CHUNK):
        rows = slice(start, start + CHUNK)
        nearest[rows] = (features[rows] @ references.T).max(axis=1)
    return nearest
