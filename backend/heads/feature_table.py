"""The features of a head: which values of the feature blocks it uses, in which order, and which it leaves out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import BLOCKS, COLUMNS, IMAGE, FeatureBlocks
from backend.heads.magnitudes import is_magnitude, is_magnitude_error

__all__ = ["PRESENT_SHARE", "REST", "FeatureTable"]

Floats = NDArray[np.float64]

PRESENT_SHARE = 0.5
"""Share of a block's features that a galaxy must have for the block to be used: a galaxy with one of eight magnitudes has none
of the colours that the fit relies on."""
REST = "rest_"
"""Start of the names of what was measured in the rest frame of a spectrum; see `sync.spectra.features`."""
MOST_MAGNITUDES = 12
"""Largest number of magnitudes of which all differences are features; of more, only differences of neighbours are."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """The features of a head.

    Attributes
    ----------
    names : mapping
        Name of a block to its features, in order.
    left_out : tuple of str
        One sentence per column that is not used although it has numbers.
    """

    names: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks with a feature, in the order of `BLOCKS`."""
        return tuple(block for block in BLOCKS if self.names.get(block))

    def read(self, rows: Sequence[FeatureBlocks], block: str) -> Floats:
        """Return the values of a block, shape (n, p); NaN where a value is missing.

        The magnitudes among the columns are followed by their differences, the colours.
        """
        names = self.names.get(block, ())
        values = np.full((len(rows), len(names)), np.nan)
        for index, blocks in enumerate(rows):
            if block in blocks:
                column_values = blocks[block].values
                values[index] = [column_values.get(name, np.nan) for name in names]
        colours = [values[:, first] - values[:, second] for first, second in self._pairs(block)]
        return np.column_stack([values, *colours]) if colours else values

    def compact(self, blocks: Sequence[str]) -> NDArray[np.bool_]:
        """Return which columns of the matrix of these blocks determine the others, shape (p,).

        Of the magnitudes these are one magnitude and the colours of neighbours. Their errors are left out, since they say how
        well a magnitude is known and not what it is. `IMAGE` is one column.
        """
        marks: list[bool] = []
        for block in blocks:
            if block == IMAGE:
                marks.insert(0, True)
                continue
            magnitudes = self._magnitudes(block)
            names, neighbours = self.names.get(block, ()), set(pairwise(magnitudes))
            others = set(magnitudes) - {magnitudes[len(magnitudes) // 2]} if len(magnitudes) > 1 else set()
            marks += [place not in others and not is_magnitude_error(name) for place, name in enumerate(names)]
            marks += [pair in neighbours for pair in self._pairs(block)]
        return np.array(marks, bool) if any(marks) else np.ones(len(marks), bool)

    def _magnitudes(self, block: str) -> list[int]:
        """Return the places of the magnitudes among the features of a block."""
        return [place for place, name in enumerate(self.names.get(block, ())) if block == COLUMNS and is_magnitude(name)]

    def _pairs(self, block: str) -> list[tuple[int, int]]:
        """Return the places of the magnitudes whose differences follow the features."""
        magnitudes = self._magnitudes(block)
        return list(combinations(magnitudes, 2) if len(magnitudes) <= MOST_MAGNITUDES else pairwise(magnitudes))

    def present(self, rows: Sequence[FeatureBlocks], block: str) -> NDArray[np.bool_]:
        """Return which galaxies have enough of a block's values to use it, shape (n,).

        What needs a redshift does not count: a spectrum without a known redshift is one all the same.
        """
        names = self.names.get(block, ())
        names = tuple(name for name in names if not name.startswith(REST)) or names
        least = max(PRESENT_SHARE * len(names), 1)
        counts = [sum(name in blocks[block].values for name in names) if block in blocks else 0 for blocks in rows]
        return np.asarray(counts, np.float64) >= least
