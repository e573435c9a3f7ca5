"""The pool: the data about unlabelled and labelled galaxies that query strategies read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.active.row_file import EmbeddingRows

__all__ = ["Columns", "Pool", "Predict", "PrincipalAxes", "Strategy", "reduce_embeddings"]

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
Embedded = NDArray[np.floating]
"""Embeddings may have half precision."""
Columns = Callable[[Embedded], Embedded]
"""From embeddings, shape (m, d), to those of their columns that are compared."""

Predict = Callable[[Floats, Indices], Floats]
"""From embeddings, shape (n, d), and the indices of these galaxies in the pool to class probabilities, shape (n, k)."""

AXES = 64
"""Principal axes that distances are measured along: 1,280 numbers of 100,000 galaxies would be half a gigabyte."""
FITTED_ON = 5_000
"""Galaxies that the axes are computed from."""
CHUNK = 2_000
"""Galaxies that are converted to single precision at once: 10 MB of 1,280 numbers each."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The galaxies that a batch is chosen from.

    Attributes
    ----------
    features : ndarray, shape (n, r)
        Reduced embeddings of the unlabelled galaxies, each of length 1 (`reduce_embeddings`).
    labelled_features : ndarray, shape (m, r)
        Reduced embeddings of the labelled galaxies.
    probabilities : ndarray, shape (n, k)
        Class probabilities that the head predicts; no columns without a trained head.
    information : ndarray, shape (n,)
        Uncertainty of each galaxy, at least 0: for classes the mutual information of a label and the head's weights (BALD),
        normalised; zeros without a trained head.
    embeddings : EmbeddingRows, shape (n, d)
        The head's input, an array or a file; only DropQuery reads it.
    predict : callable or None
        Predicts class probabilities with the head.
    ratings : ndarray, shape (m,) or (0,)
        Ratings of the labelled galaxies, NaN for one without a rating; only the order by interest reads them.
    """

    features: Floats
    labelled_features: Floats
    probabilities: Floats
    information: Floats
    embeddings: EmbeddingRows = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    predict: Predict | None = None
    ratings: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    def __len__(self) -> int:
        """Number of unlabelled galaxies."""
        return len(self.features)

    @property
    def is_trained(self) -> bool:
        """Whether a head predicts two or more classes."""
        return self.probabilities.shape[1] >= 2


Strategy = Callable[[Pool, int, np.random.Generator], Indices]
"""Selects a batch: pool, number of galaxies, source of random numbers → indices into the pool, the most useful first."""


def reduce_embeddings(
    embeddings: EmbeddingRows, labelled_rows: EmbeddingRows, *, seed: int = 0, columns: Columns | None = None
) -> tuple[Floats, Floats]:
    """Project embeddings of the pool and of the labelled galaxies to common principal axes, each row of length 1.

    Parameters
    ----------
    embeddings, labelled_rows : EmbeddingRows, shape (n, d) and (m, d)
        Arrays or files, which are read in chunks.
    seed : int
        Of the sample that the axes are computed from.
    columns : callable, optional
        Selects the columns that are compared; by default all.

    Returns
    -------
    tuple of ndarray, shape (n, r) and (m, r)
        With r = `AXES` at most.
    """
    row_count = len(embeddings) + len(labelled_rows)
    if row_count == 0:
        return np.zeros((0, 1), np.float32), np.zeros((0, 1), np.float32)
    source = np.random.default_rng(seed)
    rows = source.choice(len(embeddings), min(len(embeddings), FITTED_ON), replace=False)
    sample = np.concatenate([embeddings[np.sort(rows)], labelled_rows[:FITTED_ON]])
    axes = PrincipalAxes.of(sample if columns is None else columns(sample))
    return axes.project(embeddings, columns=columns), axes.project(labelled_rows, columns=columns)


@dataclass(frozen=True, slots=True, eq=False)
class PrincipalAxes:
    """Principal axes of embeddings.

    Attributes
    ----------
    middle : ndarray, shape (d,)
    axes : ndarray, shape (d, r)
        As columns.
    """

    middle: Floats
    axes: Floats

    @classmethod
    def of(cls, sample: Embedded) -> Self:
        """Compute the axes of a sample of embeddings, shape (n, d), with at least one row."""
        sample = sample.astype(np.float32)
        middle = sample.mean(axis=0)
        several = len(sample) > 1
        variances, axes = np.linalg.eigh(np.cov((sample - middle).T) if several else np.zeros((len(middle), len(middle))))
        axes = axes[:, ::-1][:, :AXES][:, variances[::-1][:AXES] > 0].astype(np.float32)
        return cls(middle, axes if axes.shape[1] else np.eye(len(middle), 1, dtype=np.float32))

    def project(self, embeddings: EmbeddingRows, *, columns: Columns | None = None) -> Floats:
        """Return embeddings of shape (n, d) along the axes, shape (n, r), each row of length 1."""
        projections = np.empty((len(embeddings), self.axes.shape[1]), np.float32)
        for start in range(0, len(embeddings), CHUNK):
            rows = slice(start, start + CHUNK)
            part = embeddings[rows] if columns is None else columns(embeddings[rows])
            projections[rows] = (part.astype(np.float32) - self.middle) @ self.axes
        length = np.linalg.norm(projections, axis=1, keepdims=True)
        projections /= np.where(length > 0, length, 1)
        return projections
