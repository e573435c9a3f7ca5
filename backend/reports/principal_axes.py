"""Places of embeddings on a map: their coordinates along the two principal axes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

__all__ = ["project_to_map"]

OUTLIER_SHARE = 0.005
"""Share of the points that may lie beyond the border of the map; they are placed on it. Otherwise one outlier would move all
other points into the centre."""


def project_to_map(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the coordinates of n embeddings along their two principal axes, shape (n, 2), scaled to [-1, 1].

    The sign of each axis is fixed by its largest component, so that the map of the next version is not mirrored.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
    """
    count, dimension = embeddings.shape
    if count < 2 or dimension < 2:
        return np.zeros((count, 2))
    deviations = np.asarray(embeddings, np.float64) - embeddings.mean(axis=0)
    _, axes = eigh(deviations.T @ deviations, subset_by_index=[dimension - 2, dimension - 1])
    axes = axes[:, ::-1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    places = deviations @ axes
    border = np.quantile(np.abs(places).max(axis=1), 1 - OUTLIER_SHARE)
    return np.asarray((places / max(float(border), 1e-12)).clip(-1, 1), np.float64)
