"""The galaxies with the highest utility, for strategies that look at each galaxy by itself."""

from __future__ import annotations

import numpy as np

from backend.active.pool import Floats, Indices

__all__ = ["select_highest"]


def select_highest(utility: Floats, count: int, source: np.random.Generator) -> Indices:
    """Return the indices of the highest utilities, shape (n,), the highest first; equal ones in random order."""
    order: Indices = np.lexsort((source.random(len(utility)), -utility))
    return order[:count]
