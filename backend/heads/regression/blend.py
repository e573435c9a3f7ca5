"""The mean of a forest and of boosted trees: their errors differ, so the mean has fewer outliers than either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.regression.trees import TreeSum, fit_boosting, fit_forest

__all__ = ["Blend"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """The mean of two sums of trees."""

    boosting: TreeSum
    forest: TreeSum

    @classmethod
    def fit(cls, matrix: Floats, values: Floats) -> Self:
        """Fit both to a matrix of shape (n, p), in which NaN marks missing values, and values of shape (n,)."""
        return cls(fit_boosting(matrix, values), fit_forest(matrix, values))

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors (ones), shape (n,) each, for a matrix of shape (n, p)."""
        first, second = self.boosting.predict(matrix)[0], self.forest.predict(matrix)[0]
        return (first + second) / 2, np.ones(len(matrix))

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        parts = {"boosting": self.boosting, "forest": self.forest}
        return {f"{part}.{name}": array for part, trees in parts.items() for name, array in trees.arrays().items()}

    @classmethod
    def of_arrays(cls, stored: Callable[..., NDArray[Any]]) -> Self:
        """Build both from stored arrays; `stored(name, *shape)` returns one after checking its shape."""
        boosting, forest = (
            TreeSum.of_arrays(lambda name, *shape, part=part: stored(f"{part}.{name}", *shape))
            for part in ("boosting", "forest")
        )
        return cls(boosting, forest)
