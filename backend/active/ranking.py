"""Selects batches from a pool by a query strategy, without near copies."""

from __future__ import annotations

import numpy as np

from backend.active import (
    badge,
    bald,
    core_set,
    drop_query,
    entropy,
    expected_improvement,
    k_means,
    margin,
    random_sampling,
    typiclust,
    uncertainty_herding,
)
from backend.active.core_set import nearest_similarity
from backend.active.pool import Indices, Pool, Strategy

__all__ = [
    "DEFAULT_OF_OBJECTS",
    "DEFAULT_STRATEGY",
    "INTEREST",
    "STRATEGIES",
    "WEIGHTED_STRATEGIES",
    "select_batch",
    "without_copies",
]

INTEREST = "interest"
"""The strategy of projects with a Rating."""

STRATEGIES: dict[str, Strategy] = {
    "random": random_sampling.select,
    "margin": margin.select,
    "entropy": entropy.select,
    "bald": bald.select,
    "kmeans": k_means.select,
    "typiclust": typiclust.select,
    "badge": badge.select,
    "coreset": core_set.select,
    "dropquery": drop_query.select,
    "herding": uncertainty_herding.select,
    INTEREST: expected_improvement.select,
}

DEFAULT_STRATEGY = "dropquery"
"""The best one on the validation part of three sets (docs/benchmarks.md)."""

DEFAULT_OF_OBJECTS = "bald"
"""The best one of a project that only has objects, on the validation part of simulated scenes (docs/benchmarks.md)."""

WEIGHTED_STRATEGIES = ("herding", "bald")
"""Strategies that use `Pool.information`, the default first."""

COPY_SIMILARITY = 0.995
"""Cosine similarity from which on two galaxies count as copies: the label of the second one would bring no information."""


def select_batch(pool: Pool, strategy: str, count: int, *, source: np.random.Generator) -> Indices:
    """Select a batch without near copies; others take the places of copies.

    Parameters
    ----------
    strategy : str
        A key of `STRATEGIES`.
    count : int
        Number of galaxies.

    Returns
    -------
    ndarray of int, shape (count,) or shorter
        Indices into the pool, the most useful first.

    Raises
    ------
    ValueError
        If no strategy has this name.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown query strategy {strategy!r}: choose {', '.join(STRATEGIES)}")
    select = STRATEGIES[strategy]
    batch = without_copies(pool, select(pool, min(count, len(pool)), source))
    if len(batch) < min(count, len(pool)):
        candidates = select(pool, min(3 * count, len(pool)), source)
        candidates = candidates[~np.isin(candidates, batch)]
        batch = without_copies(pool, np.concatenate([batch, candidates]))[:count]
    return batch


def without_copies(pool: Pool, batch: Indices) -> Indices:
    """Return the selected galaxies, in order, without near copies of a labelled one or of an earlier one."""
    batch = batch[nearest_similarity(pool.features[batch], pool.labelled_features) < COPY_SIMILARITY]
    features = pool.features[batch]
    similar = np.tril(features @ features.T >= COPY_SIMILARITY, -1)
    distinct: list[int] = []
    for row in range(len(batch)):
        if not similar[row, distinct].any():
            distinct.append(row)
    return batch[distinct]
