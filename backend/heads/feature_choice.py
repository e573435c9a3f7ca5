"""Choice of the features of a head: values that enough labelled galaxies have, and that do not hold the answer.

A column that holds the answer itself is left out: a head that copies it would be perfect on the labelled galaxies, and useless
on those whose answer is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import COLUMNS, FeatureBlocks
from backend.heads.feature_table import PRESENT_SHARE, FeatureTable
from backend.heads.magnitudes import words_of

__all__ = ["FindAnswer", "choose_table", "is_named_like"]

Floats = NDArray[np.float64]

FindAnswer = Callable[[str, Floats], str]
"""From the name of a column and its values, shape (n,), NaN where missing, to why it may hold the answer; else empty."""

FEWEST_VALUES = 6
"""Galaxies that must have a value for it to be a feature."""


def choose_table(
    rows: Sequence[FeatureBlocks],
    blocks: Sequence[str],
    *,
    find_answer: FindAnswer,
    is_excluded: Callable[[str, str], bool] = lambda block, name: False,
) -> FeatureTable:
    """Choose the features that labelled galaxies have.

    Parameters
    ----------
    rows : sequence of FeatureBlocks, length n
    blocks : sequence of str
        Names of the blocks to choose from.
    find_answer : callable
        Finds out whether a column may hold the answer; it is not asked for other blocks, whose values were measured for every
        galaxy: they may equal the labels and still give no answer away.
    is_excluded : callable
        From a block and the name of a value to whether the value is ignored.
    """
    names: dict[str, tuple[str, ...]] = {}
    left_out: list[str] = []
    for block in blocks:
        counts: dict[str, int] = {}
        for row in rows:
            for name in _values(row, block):
                if not is_excluded(block, name):
                    counts[name] = counts.get(name, 0) + 1
        kind = "column" if block == COLUMNS else block
        choices = []
        for name, count in counts.items():
            column = np.array([_values(row, block).get(name, np.nan) for row in rows])
            reason = _reason_to_leave_out(column, count) or (find_answer(name, column) if block == COLUMNS else "")
            if reason:
                left_out.append(f"{kind} {name!r} is not used: {reason}")
            else:
                choices.append(name)
        # A column that few galaxies have does not decide whether a galaxy has the block.
        most = max((counts[name] for name in choices), default=0)
        names[block] = tuple(name for name in choices if counts[name] >= PRESENT_SHARE * most)
        left_out += [
            f"{kind} {name!r} is not used: only {counts[name]} of {len(rows)} labelled galaxies have it"
            for name in choices
            if name not in names[block]
        ]
    return FeatureTable(names, tuple(left_out))


def is_named_like(name: str, other: str) -> bool:
    """Return whether a column has the name of a control or label, in any case and punctuation."""
    words = words_of(name)
    return "".join(words[1:] if words[:1] == ["catalogue"] else words) == "".join(words_of(other))


def _values(row: FeatureBlocks, block: str) -> Mapping[str, float]:
    return row[block].values if block in row else {}


def _reason_to_leave_out(column: Floats, count: int) -> str:
    if count < FEWEST_VALUES:
        return f"only {count} of {len(column)} labelled galaxies have it"
    finite_values = column[np.isfinite(column)]
    return f"it is {finite_values[0]:g} for all labelled galaxies" if np.ptp(finite_values) == 0 else ""
