"""Features of a linear classifier from feature blocks: standardised values, their squares and products, and what is missing.

Classes in the space of colours are bounded by curves: a plane cannot separate a locus of stars from the galaxies around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import FeatureBlocks
from backend.heads.feature_table import FeatureTable

__all__ = ["BlockFeatures"]

Floats = NDArray[np.float64]

MOST_IN_PRODUCTS = 12
"""With more values, only squares are features: products of 40 values would be 780 features for some hundred galaxies."""
LARGEST = 4.0
"""Values farther from the median, in standard deviations, count as this far: a square must not follow one wrong magnitude."""
LEAST_SCALE = 1e-9
NORMAL_QUARTILE = 1.349
"""Distance between the quartiles of a normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockFeatures:
    """Turns blocks into the features of a classifier.

    Attributes
    ----------
    blocks : tuple of str
    columns : ndarray of int32, shape (p,)
        The columns of the table's matrix that are used.
    middle, scale : ndarray, shape (p,)
        Median and robust standard deviation of each; a missing value counts as the median.
    gaps : ndarray of int32, shape (g,)
        Columns that some labelled galaxies lack: whether a galaxy has a value there is a feature.
    """

    blocks: tuple[str, ...]
    columns: NDArray[np.int32]
    middle: Floats
    scale: Floats
    gaps: NDArray[np.int32]

    @classmethod
    def fit(cls, table: FeatureTable, blocks: Sequence[str], rows: Sequence[FeatureBlocks]) -> Self:
        """Measure the distribution of the values of galaxies that have these blocks."""
        columns = np.flatnonzero(table.compact(blocks)).astype(np.int32)
        matrix = _read(table, blocks, rows)[:, columns]
        middle, scale = np.zeros(len(columns)), np.ones(len(columns))
        for place, column in enumerate(matrix.T):
            finite_values = column[np.isfinite(column)]
            if len(finite_values):
                low, middle[place], high = np.quantile(finite_values, [0.25, 0.5, 0.75])
                scale[place] = (high - low) / NORMAL_QUARTILE or finite_values.std() or 1.0
        gaps = np.flatnonzero(np.isnan(matrix).any(axis=0)).astype(np.int32)
        return cls(tuple(blocks), columns, middle, np.maximum(scale, LEAST_SCALE), gaps)

    def read(self, table: FeatureTable, rows: Sequence[FeatureBlocks]) -> NDArray[np.float32]:
        """Return the features of galaxies, shape (n, q)."""
        matrix = _read(table, self.blocks, rows)[:, self.columns]
        missing = np.isnan(matrix)
        values = np.where(missing, 0.0, (np.where(missing, 0.0, matrix) - self.middle) / self.scale).clip(-LARGEST, LARGEST)
        p = len(self.columns)
        pairs = list(combinations(range(p), 2)) if p <= MOST_IN_PRODUCTS else []
        products = [values[:, first] * values[:, second] for first, second in pairs]
        parts = [values, values**2, missing[:, self.gaps].astype(np.float64), *(product[:, None] for product in products)]
        return np.asarray(np.concatenate(parts, axis=1), np.float32)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        return {"columns": self.columns, "middle": self.middle, "scale": self.scale, "gaps": self.gaps}

    @classmethod
    def of_arrays(cls, blocks: Sequence[str], read_array: Callable[..., NDArray[Any]]) -> Self:
        """Build from stored arrays; `stored(name, *shape)` returns one after checking its shape."""
        columns = read_array("columns", -1)
        p = len(columns)
        return cls(tuple(blocks), columns, read_array("middle", p), read_array("scale", p), read_array("gaps", -1))


def _read(table: FeatureTable, blocks: Sequence[str], rows: Sequence[FeatureBlocks]) -> Floats:
    return np.column_stack([table.read(rows, block) for block in blocks])
