"""Standardisation of the features of a head by a few labelled galaxies.

Many numbers of an embedding are zero for most galaxies. Among a few labelled ones such a number may hardly vary, and divided by
its standard deviation it would be thousands for another galaxy, and decide its prediction alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["deviations_of", "scales_of"]

LEAST_SHARE = 0.5
"""Share of the mean standard deviation that is added, in quadrature, to that of each number.

With 16 to 256 labels of five sets, shares from 0.3 to 1 differ little (`docs/benchmarks.md`, *Standardisation*).
"""
LEAST_DEVIATION = 1e-6
"""Smallest standard deviation of a feature, as a share of its largest value: smaller ones are rounding errors."""


def scales_of(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the numbers by which embeddings are divided, whose numbers have one unit.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
        Of the labelled galaxies.

    Returns
    -------
    ndarray, shape (d,)
        1 for all where all galaxies have the same embedding.
    """
    deviations = embeddings.std(axis=0, dtype=np.float64)
    scales: NDArray[np.float64] = np.hypot(deviations, LEAST_SHARE * deviations.mean())
    return scales if scales.all() else np.ones_like(scales)


def deviations_of(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the standard deviation of each feature, shape (d,), for features of shape (n, d) in different units.

    It is 1 for a feature that is the same for all galaxies.
    """
    deviations = features.std(axis=0, dtype=np.float64)
    is_constant = deviations <= LEAST_DEVIATION * np.abs(features).max(axis=0, initial=0)
    return np.where(is_constant, 1.0, deviations)
