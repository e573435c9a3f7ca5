"""Experts: one fitted regression for each useful set of feature blocks, with its calibrated intervals.

A galaxy may lack any block. An expert is fitted to the galaxies that have all of its blocks, so none needs to guess a missing
one. The embedding has too many numbers for a regression beside a few columns: it enters as one number, the leave-one-out
prediction of a ridge regression on embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.heads.regression.blend import Blend
from backend.heads.regression.intervals import Intervals
from backend.heads.regression.linear import LinearFit
from backend.heads.regression.local import LocalFit
from backend.heads.regression.trees import TreeSum, fit_forest

__all__ = ["IMAGE_RIDGE", "LEARNERS", "MEAN", "Expert", "FittedRegression", "Learner"]

Floats = NDArray[np.float64]

MEAN, IMAGE_RIDGE = "mean", "image ridge"
"""Names of the two fits without a learner: the mean of the labels, and the ridge regression on embeddings."""


class FittedRegression(Protocol):
    """A fitted regression."""

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors, shape (n,) each, for a matrix of shape (n, p); NaN marks missing values."""
        ...

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that the learner's `of_arrays` reads."""
        ...


@dataclass(frozen=True, slots=True)
class Learner:
    """A kind of regression.

    Attributes
    ----------
    fit : callable
        Fits to a matrix of shape (n, p) and values of shape (n,); `compact` marks the columns that determine the others: a line
        or a distance in all differences of magnitudes would count each magnitude many times.
    of_arrays : callable
        Builds a fit from stored arrays.
    fewest, most : int
        Numbers of galaxies between which it is tried.
    """

    fit: Callable[..., FittedRegression]
    of_arrays: Callable[[Callable[..., NDArray[Any]]], FittedRegression]
    fewest: int
    most: int = 10**9


LEARNERS: dict[str, Learner] = {
    "ridge": Learner(LinearFit.fit, LinearFit.of_arrays, 12),
    "local": Learner(LocalFit.fit, LocalFit.of_arrays, 60),
    "forest": Learner(fit_forest, TreeSum.of_arrays, 40, 200),
    "blend": Learner(Blend.fit, Blend.of_arrays, 200),
}


@dataclass(frozen=True, slots=True, eq=False)
class Expert:
    """A fit for the galaxies that have some blocks.

    Attributes
    ----------
    blocks : tuple of str
        Names of the blocks that it uses, `IMAGE` among them; empty for the mean of the labels.
    learner : str
        A key of `LEARNERS`, `IMAGE_RIDGE` or `MEAN`.
    fit : FittedRegression or None
        None for `IMAGE_RIDGE` and `MEAN`.
    intervals : Intervals
    loss : float
        Mean absolute error of galaxies that it was not fitted to.
    galaxies : int
        Number of galaxies that it was fitted to.
    """

    blocks: tuple[str, ...]
    learner: str
    fit: FittedRegression | None
    intervals: Intervals
    loss: float
    galaxies: int
