"""Bins of signal-to-noise ratio and overlap, and means with intervals from a bootstrap over images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "OVERLAP_BINS", "SNR_BINS", "in_bin", "interval", "title_of"]

SNR_BINS = ((5.0, 10.0), (10.0, 20.0), (20.0, 50.0), (50.0, np.inf))
OVERLAP_BINS = ((0.0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 1.0))
DRAWS = 2000


def in_bin(values: NDArray[np.float64], edges: tuple[float, float]) -> NDArray[np.bool_]:
    """Return which values lie in a bin: at or above its lower edge, below its upper one."""
    low, high = edges
    return (values >= low) & (values < high)


def title_of(edges: tuple[float, float]) -> str:
    """Return a bin for a table."""
    low, high = edges
    return f"above {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"


def interval(values: Sequence[float], images: Sequence[int]) -> tuple[float, float, float]:
    """Return the mean of values and its 95 % interval from a bootstrap over the images that the values are from.

    Three NaN if there is no value.
    """
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    numbers, image = np.unique(np.asarray(images), return_inverse=True)
    sums, counts = np.bincount(image, weights=np.asarray(values, float)), np.bincount(image)
    samples = np.random.default_rng(0).integers(len(numbers), size=(DRAWS, len(numbers)))
    means = sums[samples].sum(axis=1) / counts[samples].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(np.mean(values)), float(low), float(high)
