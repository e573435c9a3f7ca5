"""Numbers of labels at which a learning curve is measured."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["curve_sizes"]

FEWEST_LABELS = 10
"""The smallest number of labels that a head is fitted on."""
LEAST_RATIO = 1.2
"""Smallest ratio of two numbers: heads of nearly the same labels are nearly the same."""


def curve_sizes(largest: int, *, count: int) -> list[int]:
    """Return at most `count` numbers of labels from 10 to `largest` at equal ratios; empty if `largest` is below 10."""
    if largest < FEWEST_LABELS:
        return []
    count = min(count, 1 + math.ceil(math.log(largest / FEWEST_LABELS) / math.log(LEAST_RATIO)))
    return sorted({round(float(size)) for size in np.geomspace(FEWEST_LABELS, largest, count)})
