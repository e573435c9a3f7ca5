"""The features of a head: which values of the feature blocks it uses, in which order, and which it leaves out and why.

A column that holds the answer itself is left out: a head that copies it would be perfect on the labelled galaxies, and useless
on those whose answer is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import BLOCKS, COLUMNS, IMAGE, SPECTRUM, FeatureBlocks
from backend.heads.regression.magnitudes import is_magnitude, is_magnitude_error, words_of

__all__ = ["FeatureTable", "choose_features"]

Floats = NDArray[np.float64]

FEWEST_VALUES = 6
"""Galaxies that must have a value for it to be a feature."""
EQUAL_SHARE, EQUAL_TOLERANCE = 0.9, 1e-3
"""A column is the answer if this share of its values equals the labels, up to this share of the labels' spread."""
FEWEST_EQUAL, FEWEST_LINEAR = 5, 10
LEAK_CORRELATION = 0.9999
"""A column is also the answer if it is a linear function of the labels: a velocity c z, or log(1 + z) over a small range."""
REST = "rest_"
"""Start of the names of what was measured in the rest frame of a spectrum; see `sync.spectra.features`."""
PRESENT_SHARE = 0.5
"""Share of a block's features that a galaxy must have for the block to be used: a galaxy with one of eight magnitudes has none
of the colours that the fit relies on."""
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
        """Return which galaxies have enough of a block's values to use it, shape (n,)."""
        names = self.names.get(block, ())
        least = max(PRESENT_SHARE * len(names), 1)
        counts = [sum(name in blocks[block].values for name in names) if block in blocks else 0 for blocks in rows]
        return np.asarray(counts, np.float64) >= least


def choose_features(rows: Sequence[FeatureBlocks], values: Floats, *, control: str, relative: bool = False) -> FeatureTable:
    """Choose the features that labelled galaxies have.

    Parameters
    ----------
    rows : sequence of FeatureBlocks, length n
    values : ndarray, shape (n,)
        Labels, finite.
    control : str
        Name of the control; a column of the same name is left out.
    relative : bool
        Whether the control holds a redshift: what was measured in the rest frame is left out, since it needs the answer.
    """
    names: dict[str, tuple[str, ...]] = {}
    left_out: list[str] = []
    if relative and any(name.startswith(REST) for blocks in rows for name in _values(blocks, SPECTRUM)):
        left_out.append("spectrum: what is measured in the rest frame is not used, since it needs the redshift")
    for block in BLOCKS:
        counts: dict[str, int] = {}
        for blocks in rows:
            for name in _values(blocks, block):
                if not (relative and block == SPECTRUM and name.startswith(REST)):
                    counts[name] = counts.get(name, 0) + 1
        names_of_table = []
        for name, count in counts.items():
            column = np.array([_values(blocks, block).get(name, np.nan) for blocks in rows])
            reason = _reason_to_leave_out(name, column, values, control=control, block=block, count=count)
            if reason:
                left_out.append(reason)
            else:
                names_of_table.append(name)
        # A column that few galaxies have does not decide whether a galaxy has the block.
        most = max((counts[name] for name in names_of_table), default=0)
        names[block] = tuple(name for name in names_of_table if counts[name] >= PRESENT_SHARE * most)
        left_out += [
            f"{block[:-1] if block == COLUMNS else block} {name!r} is not used: only {counts[name]} of {len(rows)} labelled "
            f"galaxies have it"
            for name in names_of_table
            if name not in names[block]
        ]
    return FeatureTable(names, tuple(left_out))


def _values(blocks: FeatureBlocks, block: str) -> Mapping[str, float]:
    return blocks[block].values if block in blocks else {}


def _reason_to_leave_out(name: str, column: Floats, values: Floats, *, control: str, block: str, count: int) -> str:
    """Return why a value is not a feature, in one sentence; empty if it is one."""
    kind = "column" if block == COLUMNS else block
    column_values = np.isfinite(column)
    if count < FEWEST_VALUES:
        return f"{kind} {name!r} is not used: only {count} of {len(values)} labelled galaxies have it"
    if np.ptp(column[column_values]) == 0:
        return f"{kind} {name!r} is not used: it is {column[column_values][0]:g} for all labelled galaxies"
    if block != COLUMNS:
        return ""  # measured from the image or the spectrum of every galaxy: it may equal the labels, and still is no answer
    if _is_named_like(name, control):
        return f"column {name!r} is not used: it has the name of the control {control!r}, so it may hold the answer"
    if column_values.sum() >= FEWEST_EQUAL and _holds_answer(column[column_values], values[column_values]):
        return f"column {name!r} is not used: it equals the labels of {control!r}, so it holds the answer"
    return ""


def _is_named_like(name: str, control: str) -> bool:
    words = words_of(name)
    return "".join(words[1:] if words[:1] == ["catalogue"] else words) == "".join(words_of(control))


def _holds_answer(column: Floats, values: Floats) -> bool:
    spread = float(np.std(values))
    if spread == 0:
        return False
    if np.mean(np.abs(column - values) <= EQUAL_TOLERANCE * spread) >= EQUAL_SHARE:
        return True
    if len(values) < FEWEST_LINEAR:
        return False
    # The middle of the differences: a few corrected labels do not hide a copy.
    slope, start = np.polyfit(column, values, 1)
    distance = np.abs(values - (slope * column + start))
    close = distance <= np.quantile(distance, EQUAL_SHARE)
    return abs(float(np.corrcoef(column[close], values[close])[0, 1])) > LEAK_CORRELATION if np.ptp(column[close]) else False
