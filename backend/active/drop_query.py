"""DropQuery: galaxies whose predicted class changes when features are dropped, one from each of their clusters.

References
----------
Gupte et al. (2024), TMLR ("Revisiting active learning in the era of vision foundation models").
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.active.k_means import select as select_centres
from backend.active.pool import Indices, Pool
from backend.active.uncertainty_herding import select as select_covering

__all__ = ["select"]

DROPOUT = 0.75
"""Share of the features that each pass drops (paper, section 4)."""
PASSES = 3
CHUNK = 2_000
CANDIDATES = 20_000
"""Galaxies with the most information that are predicted with dropped features; predictions of the others hardly change."""


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select cluster centres among the galaxies of which more than half of the passes disagree with the head.

    Without a head of two classes or more, the galaxies are selected by uncertainty herding.
    """
    if not pool.is_trained or pool.predict is None:
        return select_covering(pool, count, source)
    candidates: Indices = np.arange(len(pool))
    if len(pool) > CANDIDATES:
        candidates = np.sort(np.argpartition(-pool.information, CANDIDATES)[:CANDIDATES])
    disagreements = _disagreements(pool, candidates, source)
    uncertain = candidates[disagreements > PASSES / 2]
    if len(uncertain) < count:  # the ones that change most often are taken first
        order: Indices = np.lexsort((source.random(len(candidates)), -disagreements))
        return candidates[order[:count]]
    subset = replace(pool, features=pool.features[uncertain])
    picks: Indices = uncertain[select_centres(subset, count, source)]
    return picks


def _disagreements(pool: Pool, candidates: Indices, source: np.random.Generator) -> Indices:
    """Return in how many passes each candidate's predicted class differs from the head's usual one, shape (c,)."""
    assert pool.predict is not None
    usual = pool.probabilities[candidates].argmax(axis=1)
    disagreements = np.zeros(len(candidates), np.intp)
    for _ in range(PASSES):
        for start in range(0, len(candidates), CHUNK):
            rows = slice(start, start + CHUNK)
            embeddings = pool.embeddings[candidates[rows]]
            keep_mask = source.random(embeddings.shape, np.float32) >= DROPOUT
            thinned_rows = embeddings * keep_mask / np.float32(1 - DROPOUT)
            disagreements[rows] += pool.predict(thinned_rows, candidates[rows]).argmax(axis=1) != usual[rows]
    return disagreements
