"""The features of a regression: without columns that hold the labels, or from which the labels can be computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import BLOCKS, SPECTRUM, FeatureBlocks
from backend.heads.feature_choice import choose_table, is_named_like
from backend.heads.feature_table import REST, FeatureTable

__all__ = ["choose_features"]

Floats = NDArray[np.float64]

EQUAL_SHARE, EQUAL_TOLERANCE = 0.9, 1e-3
"""A column is the answer if this share of its values equals the labels, up to this share of the labels' spread."""
FEWEST_EQUAL, FEWEST_LINEAR = 5, 10
LEAK_CORRELATION = 0.9999
"""A column is also the answer if it is a linear function of the labels: a velocity c z, or log(1 + z) over a small range."""


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

    def needs_answer(block: str, name: str) -> bool:
        return relative and block == SPECTRUM and name.startswith(REST)

    table = choose_table(
        rows, BLOCKS, find_answer=partial(_find_answer, values=values, control=control), is_excluded=needs_answer
    )
    if any(needs_answer(block, name) for row in rows for block in row for name in row[block].values):
        sentence = "spectrum: what is measured in the rest frame is not used, since it needs the redshift"
        table = replace(table, left_out=(sentence, *table.left_out))
    return table


def _find_answer(name: str, column: Floats, *, values: Floats, control: str) -> str:
    if is_named_like(name, control):
        return f"it has the name of the control {control!r}, so it may hold the answer"
    is_finite = np.isfinite(column)
    if is_finite.sum() >= FEWEST_EQUAL and _holds_answer(column[is_finite], values[is_finite]):
        return f"it equals the labels of {control!r}, so it holds the answer"
    return ""


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
