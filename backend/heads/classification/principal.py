"""Principal axes of features, along which a fit has fewer parameters and a nearly diagonal curvature."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["principal_axes"]

LEAST_VARIANCE = 1e-6
"""Smallest variance of an axis, as a fraction of the largest one: further axes have no effect with any regularisation."""

Floats = NDArray[np.float32]


def principal_axes(features: Floats) -> Floats:
    """Return the principal axes of `features`, shape (n, d), as columns: shape (d, r) with r at most n and d."""
    n, d = features.shape
    # Eigenvectors of the smaller of the two Gram matrices, in double precision: three times as fast as an SVD.
    gram = (features.T @ features if n >= d else features @ features.T).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    large = values > LEAST_VARIANCE * max(float(values[-1]), 1e-12)
    vectors, lengths = vectors[:, large], np.sqrt(values[large])
    return cast(Floats, (vectors if n >= d else (features.T @ vectors) / lengths).astype(np.float32))
