"""BADGE: galaxies whose losses have large and different gradients, by k-means++ on the gradients of the last layer.

A gradient is the outer product of the class errors and the features. Distances between outer products follow from
their factors, so that no product is made: k classes cost n (k + r) numbers, not n k r.

References
----------
Ash et al. (2020), ICLR.
"""

from __future__ import annotations

import numpy as np

from backend.active.pool import Floats, Indices, Pool
from backend.active.random_sampling import select as select_at_random

__all__ = ["select"]


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select galaxies by k-means++ on gradient embeddings, the first with the largest gradient."""
    if not pool.is_trained:
        return select_at_random(pool, count, source)
    errors = pool.probabilities.astype(np.float32)
    errors[np.arange(len(pool)), errors.argmax(axis=1)] -= 1
    squares = np.square(errors).sum(axis=1) * np.square(pool.features).sum(axis=1)
    picks = [int(squares.argmax())] if len(pool) else []
    distances = np.full(len(pool), np.inf, np.float32)
    while len(picks) < min(count, len(pool)):
        last = picks[-1]
        products = (errors @ errors[last]) * (pool.features @ pool.features[last])
        np.minimum(distances, (squares + squares[last] - 2 * products).clip(0, None), out=distances)
        distances[last] = 0
        picks.append(_draw(distances, np.asarray(picks), source))
    return np.asarray(picks, np.intp)


def _draw(weights: Floats, picks: Indices, source: np.random.Generator) -> int:
    """Draw an index with a chance in proportion to its weight; at random where all weights are 0."""
    chances = weights.astype(np.float64)
    if chances.sum() <= 0:
        chances = np.ones(len(weights))
    chances[picks] = 0
    return int(source.choice(len(chances), p=chances / chances.sum()))
