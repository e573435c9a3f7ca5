"""BALD: the galaxies whose label has the most information about the head's weights (mutual information).

References
----------
Houlsby et al. (2011), arXiv:1112.5745.
"""

from __future__ import annotations

import numpy as np

from backend.active.highest import select_highest
from backend.active.pool import Indices, Pool

__all__ = ["select"]


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the galaxies with the most information."""
    return select_highest(pool.information, count, source)
