"""Numbers of labels at which a learning curve is measured."""

from __future__ import annotations

import numpy as np

__all__ = ["curve_sizes"]

FEWEST_LABELS = 10
"""The smallest number of labels that a head is fitted on."""


def curve_sizes(most: int, *, count: int) -> list[int]:
    """Return at most `count` numbers of labels from 10 to `most` at equal ratios; empty if `most` is below 10."""
    if most < FEWEST_LABELS:
        return []
    return sorted({round(float(size)) for size in np.geomspace(FEWEST_LABELS, most, count)})
