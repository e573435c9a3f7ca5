"""The features of a classifier: without columns that hold the answer as a name, a code or a flag."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from backend.heads.feature_blocks import COLUMNS, SPECTRUM, FeatureBlocks
from backend.heads.feature_choice import choose_table, is_named_like
from backend.heads.feature_table import FeatureTable

__all__ = ["CLASS_BLOCKS", "choose_class_features"]

CLASS_BLOCKS = (COLUMNS, SPECTRUM)
"""The blocks that a classifier uses. The structure is left out: to measure it takes longer than all else, and the embedding
describes the shape."""
CODE_SHARE = 0.95
"""A column of as many values as classes holds the answer if each value has its own class, for this share of the galaxies."""
FEWEST_IN_CODE = 10


def choose_class_features(
    rows: Sequence[FeatureBlocks], targets: NDArray[np.floating], *, control: str, labels: Sequence[str]
) -> FeatureTable:
    """Choose the features that labelled galaxies have.

    Parameters
    ----------
    rows : sequence of FeatureBlocks, length n
    targets : ndarray, shape (n, k)
        Share of annotators that chose each class or node.
    control : str
        Name of the control; a column of the same name is left out.
    labels : sequence of str
        Names of the labels; columns of these names are left out.
    """
    # Galaxies with equal targets have one code.
    _, codes = np.unique(targets.round(), axis=0, return_inverse=True)
    find_answer = partial(_find_answer, codes=np.ravel(codes), control=control, labels=labels)
    return choose_table(rows, CLASS_BLOCKS, find_answer=find_answer)


def _find_answer(
    name: str, column: NDArray[np.float64], *, codes: NDArray[np.intp], control: str, labels: Sequence[str]
) -> str:
    if is_named_like(name, control):
        return f"it has the name of the control {control!r}, so it may hold the answer"
    label = next((label for label in labels if is_named_like(name, label)), None)
    if label is not None:
        return f"it has the name of the label {label!r}, so it may hold the answer"
    is_finite = np.isfinite(column)
    if is_finite.sum() >= FEWEST_IN_CODE and _is_code(column[is_finite], codes[is_finite]):
        return f"its values are codes of the labels of {control!r}, so it holds the answer"
    return ""


def _is_code(column: NDArray[np.float64], codes: NDArray[np.intp]) -> bool:
    """Return whether a column has about one value for each class."""
    values, places = np.unique(column, return_inverse=True)
    classes = int(codes.max()) + 1
    if len(values) < 2 or len(values) > classes:
        return False
    counts = np.zeros((len(values), classes))
    np.add.at(counts, (np.ravel(places), codes), 1)
    majority = counts.argmax(axis=1)
    return len(set(majority.tolist())) == len(values) and counts.max(axis=1).sum() >= CODE_SHARE * len(column)
