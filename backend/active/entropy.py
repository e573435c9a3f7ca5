"""Entropy sampling: the galaxies with the highest entropy of the predicted classes.

References
----------
Settles (2009), *Active learning literature survey*, section 3.1.
"""

from __future__ import annotations

import numpy as np

from backend.active.highest import select_highest
from backend.active.pool import Indices, Pool
from backend.active.random_sampling import select as select_at_random

__all__ = ["select"]


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies with the highest entropy; at random without a head."""
    if not pool.is_trained:
        return select_at_random(pool, count, source)
    entropy = -(pool.probabilities * np.log(pool.probabilities.clip(1e-12, None))).sum(axis=1)
    return select_highest(entropy, count, source)
