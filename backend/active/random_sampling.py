"""Random sampling: the order that every other strategy is compared with."""

from __future__ import annotations

import numpy as np

from backend.active.pool import Indices, Pool

__all__ = ["select"]


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select galaxies at random, each at most once."""
    return source.permutation(len(pool))[:count]
