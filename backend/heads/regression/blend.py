"""The mean of a forest, boosted trees and a local linear regression: their errors differ, so the mean has fewer outliers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.regression.local import LocalFit
from backend.heads.regression.trees import TreeSum, fit_boosting, fit_forest

__all__ = ["Blend"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """The mean of three regressions."""

    boosting: TreeSum
    forest: TreeSum
    local: LocalFit

    @classmethod
    def fit(cls, matrix: Floats, values: Floats, *, compact: NDArray[np.bool_]) -> Self:
        """Fit to a matrix of shape (n, p), in which NaN marks missing values, and values of shape (n,).

        Parameters
        ----------
        matrix : ndarray, shape (n, p)
        values : ndarray, shape (n,)
        compact : ndarray of bool, shape (p,)
            The columns of the local regression.
        """
        return cls(
            fit_boosting(matrix, values, compact=compact),
            fit_forest(matrix, values, compact=compact),
            LocalFit.fit(matrix, values, compact=compact),
        )

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors (ones), shape (n,) each, for a matrix of shape (n, p)."""
        parts = [part.predict(matrix)[0] for part in (self.boosting, self.forest, self.local)]
        return np.asarray(np.mean(parts, axis=0), np.float64), np.ones(len(matrix))

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        parts: dict[str, TreeSum | LocalFit] = {"boosting": self.boosting, "forest": self.forest, "local": self.local}
        return {f"{part}.{name}": array for part, fit in parts.items() for name, array in fit.arrays().items()}

    @classmethod
    def of_arrays(cls, read_array: Callable[..., NDArray[Any]]) -> Self:
        """Build all three from stored arrays; `stored(name, *shape)` returns one after checking its shape."""

        def part(prefix: str) -> Callable[..., NDArray[Any]]:
            return lambda name, *shape: read_array(f"{prefix}.{name}", *shape)

        return cls(TreeSum.of_arrays(part("boosting")), TreeSum.of_arrays(part("forest")), LocalFit.of_arrays(part("local")))
