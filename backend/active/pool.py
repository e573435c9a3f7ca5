"""The pool: what a query strategy knows of the unlabelled galaxies, and of the labelled ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pool", "Predict", "Strategy", "reduce_embeddings"]

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

Predict = Callable[[Floats], Floats]
"""Class probabilities, shape (n, k), of embeddings as the head takes them, shape (n, d)."""

AXES = 64
"""Principal axes that distances are measured along: 1,280 numbers of 100,000 galaxies would be half a gigabyte."""
FITTED_ON = 5_000
"""Galaxies that the axes are computed from."""
CHUNK = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """The galaxies that a batch is chosen from.

    Attributes
    ----------
    features : ndarray, shape (n, r)
        Of the unlabelled galaxies, each of length 1 (`reduce_embeddings`).
    labelled : ndarray, shape (m, r)
        Of the labelled ones.
    probabilities : ndarray, shape (n, k)
        By the head; with no columns where none is trained.
    information : ndarray, shape (n,)
        Mutual information of a label and the head's weights (BALD), nats; zeros where no head is trained.
    embeddings : ndarray, shape (n, d)
        As the head takes them; only DropQuery reads them.
    predict : callable or None
        The head.
    """

    features: Floats
    labelled: Floats
    probabilities: Floats
    information: Floats
    embeddings: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    predict: Predict | None = None

    def __len__(self) -> int:
        """Number of unlabelled galaxies."""
        return len(self.features)

    @property
    def is_trained(self) -> bool:
        """Whether a head predicts two or more classes."""
        return self.probabilities.shape[1] >= 2


Strategy = Callable[[Pool, int, np.random.Generator], Indices]
"""Selects a batch: pool, number of galaxies, source of random numbers → indices into the pool, the most useful first."""


def reduce_embeddings(embeddings: Floats, labelled: Floats, *, seed: int = 0) -> tuple[Floats, Floats]:
    """Project embeddings of the pool and of the labelled galaxies to common principal axes, each row of length 1.

    Parameters
    ----------
    embeddings, labelled : ndarray, shape (n, d) and (m, d)

    Returns
    -------
    tuple of ndarray, shape (n, r) and (m, r)
        With r = `AXES` at most.
    """
    everything = len(embeddings) + len(labelled)
    if everything == 0:
        return np.zeros((0, 1), np.float32), np.zeros((0, 1), np.float32)
    source = np.random.default_rng(seed)
    rows = source.choice(len(embeddings), min(len(embeddings), FITTED_ON), replace=False)
    sample = np.concatenate([embeddings[np.sort(rows)], labelled[:FITTED_ON]]).astype(np.float32)
    middle = sample.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((sample - middle).T) if len(sample) > 1 else np.zeros((len(middle), len(middle))))
    axes = axes[:, ::-1][:, :AXES][:, variances[::-1][:AXES] > 0].astype(np.float32)
    if not axes.shape[1]:
        axes = np.eye(len(middle), 1, dtype=np.float32)
    return _project(embeddings, middle, axes), _project(labelled, middle, axes)


def _project(embeddings: Floats, middle: Floats, axes: Floats) -> Floats:
    projected = np.empty((len(embeddings), axes.shape[1]), np.float32)
    for start in range(0, len(embeddings), CHUNK):
        rows = slice(start, start + CHUNK)
        projected[rows] = (embeddings[rows].astype(np.float32) - middle) @ axes
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    projected /= np.where(length > 0, length, 1)
    return projected
