"""Similarity to chosen galaxies: "find more like this"."""

from __future__ import annotations

import numpy as np

from backend.active.pool import Floats

__all__ = ["similarity_to"]


def similarity_to(features: Floats, references: Floats) -> Floats:
    """Return the similarity of galaxies to chosen ones: the mean of the highest and of the mean cosine similarity, -1 to 1.

    A galaxy like one of the chosen galaxies is similar, and one like all of them is more similar.

    Parameters
    ----------
    features : ndarray, shape (n, r)
        Each row of length 1.
    references : ndarray, shape (c, r)
        At least one row, each of length 1.

    Returns
    -------
    ndarray, shape (n,)
    """
    cosines = features @ references.T
    similarity: Floats = np.asarray((cosines.max(axis=1) + cosines.mean(axis=1)) / 2, np.float32)
    return similarity
