"""Uncertainty sampling: the galaxies whose predicted class is least certain, each by itself.

References
----------
Margin: Scheffer, Decomain & Wrobel (2001), IDA. Entropy: Settles (2009), section 3.1. BALD: Houlsby et al. (2011),
arXiv:1112.5745.
"""

from __future__ import annotations

import numpy as np

from backend.active.pool import Floats, Indices, Pool
from backend.active.random_sampling import select as select_at_random

__all__ = ["select_bald", "select_entropy", "select_margin"]


def select_margin(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies whose two most probable classes are closest."""
    if not pool.is_trained:
        return select_at_random(pool, count, source)
    highest = np.partition(pool.probabilities, -2, axis=1)[:, -2:]
    return _highest(highest[:, 0] - highest[:, 1], count, source)


def select_entropy(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies with the highest entropy of the predicted classes."""
    if not pool.is_trained:
        return select_at_random(pool, count, source)
    return _highest(-(pool.probabilities * np.log(pool.probabilities.clip(1e-12, None))).sum(axis=1), count, source)


def select_bald(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies whose label has the most information about the head's weights (mutual information)."""
    return _highest(pool.information, count, source)


def _highest(utility: Floats, count: int, source: np.random.Generator) -> Indices:
    """Return the indices of the highest utilities, the highest first; equal ones in random order."""
    order: Indices = np.lexsort((source.random(len(utility)), -utility))
    return order[:count]
