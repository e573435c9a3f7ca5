"""Ridge regression on features that may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.regression.ridge import Parameters
from backend.lvm.standardisation import deviations_of

__all__ = ["LinearFit"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """A ridge regression in which a missing value is the median of its column.

    Attributes
    ----------
    columns : ndarray of int32, shape (p,)
        The columns of the matrix that are used.
    medians : ndarray, shape (p,)
    ridge : Parameters
    """

    columns: NDArray[np.int32]
    medians: Floats
    ridge: Parameters

    @classmethod
    def fit(cls, matrix: Floats, values: Floats, *, compact: NDArray[np.bool_]) -> Self:
        """Fit to the columns in `compact` of a matrix, in which NaN marks missing values, and values of shape (n,)."""
        columns = np.flatnonzero(compact).astype(np.int32)
        matrix = matrix[:, columns]
        medians = np.array(
            [np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in matrix.T]
        )
        filled_matrix = np.where(np.isnan(matrix), medians, matrix)
        return cls(columns, medians, Parameters.fit(filled_matrix, values, scales=deviations_of(filled_matrix)))

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors, shape (n,) each, for a matrix with NaN for missing values."""
        matrix = matrix[:, self.columns]
        values, deviations = self.ridge.predict(np.where(np.isnan(matrix), self.medians, matrix))
        spread = self.ridge.noise if self.ridge.noise > 0 else 1.0
        return values.astype(np.float64), np.maximum(deviations / spread, 1.0).astype(np.float64)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        return {"columns": self.columns, "medians": self.medians, **self.ridge.arrays()}

    @classmethod
    def of_arrays(cls, read_array: Callable[..., NDArray[Any]]) -> Self:
        """Build the fit from stored arrays; `stored(name, *shape)` returns one after checking its shape."""
        return cls(read_array("columns", -1), read_array("medians", -1), Parameters.of_arrays(read_array))
