"""Margin sampling: the galaxies whose two most probable classes are closest.

References
----------
Scheffer, Decomain & Wrobel (2001), IDA.
"""

from __future__ import annotations

import numpy as np

from backend.active.highest import select_highest
from backend.active.pool import Indices, Pool
from backend.active.random_sampling import select as select_at_random

__all__ = ["select"]


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies with the smallest margin; at random without a head."""
    if not pool.is_trained:
        return select_at_random(pool, count, source)
    highest = np.partition(pool.probabilities, -2, axis=1)[:, -2:]
    return select_highest(highest[:, 0] - highest[:, 1], count, source)
