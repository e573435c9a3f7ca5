"""Local linear regression: a line through the labelled galaxies that are most similar, for relations that bend.

Colours follow the redshift along a curve. A forest answers with the mean of similar galaxies, which is biased where the curve
bends or ends; a line through them is not. Galaxies far from the line, such as wrong redshifts, lose their weight.

References
----------
Cleveland (1979), JASA 74, 829: robust locally weighted regression. Beck et al. (2016), MNRAS 460, 1371: photometric redshifts
of SDSS by local linear regression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

__all__ = ["LocalFit"]

Floats = NDArray[np.float64]

NEIGHBOURS = 80
RIDGE = 0.05
"""Penalty of the slopes, in units of a neighbour with the weight 1 at a distance of one standard deviation."""
PASSES, SCATTER = 3, 2.0
"""Passes of the fit; a neighbour at this many times the scatter of the others has half of its weight in the next one."""
ROWS = 500
"""Rows that are predicted together: bounds the memory."""
LEAST_SCALE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LocalFit:
    """The labelled galaxies in standard units.

    Attributes
    ----------
    columns : ndarray of int32, shape (p,)
        The columns of the matrix that are used.
    middle, scale : ndarray, shape (p,)
        Median and standard deviation of each column; a missing value is the median.
    points : ndarray of float32, shape (n, p)
    values : ndarray, shape (n,)
    """

    columns: NDArray[np.int32]
    middle: Floats
    scale: Floats
    points: NDArray[np.float32]
    values: Floats

    @classmethod
    def fit(cls, matrix: Floats, values: Floats, *, compact: NDArray[np.bool_]) -> Self:
        """Store the columns in `compact` of a matrix, in which NaN marks missing values, and values of shape (n,)."""
        columns = np.flatnonzero(compact).astype(np.int32)
        matrix = matrix[:, columns]
        middle = np.array([np.median(column[np.isfinite(column)]) if np.isfinite(column).any() else 0.0 for column in matrix.T])
        filled_matrix = np.where(np.isnan(matrix), middle, matrix)
        scale = np.maximum(filled_matrix.std(axis=0), LEAST_SCALE)
        return cls(columns, middle, scale, ((filled_matrix - middle) / scale).astype(np.float32), values.astype(np.float64))

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors (ones), shape (n,) each, for a matrix with NaN for missing values."""
        matrix = matrix[:, self.columns]
        points = (np.where(np.isnan(matrix), self.middle, matrix) - self.middle) / self.scale
        with threadpool_limits(limits=1, user_api="blas"):
            parts = [self._predict(points[start : start + ROWS].astype(np.float32)) for start in range(0, len(points), ROWS)]
        return np.concatenate([np.zeros(0), *parts]), np.ones(len(points))

    def _predict(self, points: NDArray[np.float32]) -> Floats:
        count = min(NEIGHBOURS, len(self.values))
        squares = (points**2).sum(axis=1)[:, None] + (self.points**2).sum(axis=1) - 2 * points @ self.points.T
        nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
        distance = np.sqrt(np.maximum(np.take_along_axis(squares, nearest, axis=1), 0)).astype(np.float64)
        offsets = (self.points[nearest] - points[:, None]).astype(np.float64)
        design = np.concatenate([np.ones((*offsets.shape[:2], 1)), offsets], axis=2)
        values = self.values[nearest]
        near = 1 / (1 + (distance / np.maximum(distance.mean(axis=1, keepdims=True), LEAST_SCALE)) ** 2)
        penalty = np.diag([0.0] + [RIDGE] * points.shape[1])
        weights: Floats = near
        line: Floats = np.zeros((len(points), design.shape[2]))
        for _ in range(PASSES):
            weighted_design = design * weights[:, :, None]
            normal = np.einsum("nki,nkj->nij", weighted_design, design, optimize=True) + penalty
            line = np.linalg.solve(normal, np.einsum("nki,nk->ni", weighted_design, values)[:, :, None])[:, :, 0]
            residual = np.abs(values - np.einsum("nki,ni->nk", design, line))
            scatter = np.maximum(1.4826 * np.median(residual, axis=1, keepdims=True), LEAST_SCALE)
            weights = near / (1 + (residual / (SCATTER * scatter)) ** 2)
        # A line beyond all neighbours would predict values that no labelled galaxy near has.
        return np.asarray(np.clip(line[:, 0], values.min(axis=1), values.max(axis=1)), np.float64)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        return {
            "columns": self.columns,
            "middle": self.middle,
            "scale": self.scale,
            "points": self.points,
            "values": self.values,
        }

    @classmethod
    def of_arrays(cls, read_array: Callable[..., NDArray[Any]]) -> Self:
        """Build the fit from stored arrays; `stored(name, *shape)` returns one after checking its shape."""
        columns, values = read_array("columns", -1), read_array("values", -1)
        p = len(columns)
        return cls(columns, read_array("middle", p), read_array("scale", p), read_array("points", len(values), p), values)
