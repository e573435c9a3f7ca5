"""Sums of regression trees: boosted trees and forests, fitted by scikit-learn, stored as plain arrays and evaluated here.

A pickle of scikit-learn can run code and depends on the version of the library; skops reads such files safely, but they still
depend on that version. A tree is six numbers per node, so an old head predicts the same with any version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

__all__ = ["TreeSum", "fit_boosting", "fit_forest"]

Floats = NDArray[np.float64]

BOOSTED_TREES, RATE, LEAVES, LEAST_IN_LEAF = 400, 0.05, 31, 10
FOREST_TREES, LEAST_IN_FOREST_LEAF = 100, 2
COLUMNS_PER_SPLIT = 0.5
"""Share of the columns that a split chooses from: trees differ, and the error of their sum falls."""
CELLS = 400_000
"""Rows times trees that are evaluated together: bounds the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class TreeSum:
    """A sum of t trees with m nodes in all.

    Attributes
    ----------
    baseline : float
        Prediction without trees.
    roots : ndarray of int32, shape (t,)
        Index of the first node of each tree.
    feature : ndarray of int32, shape (m,)
        Column that a node compares; -1 for a leaf.
    threshold : ndarray of float64, shape (m,)
        Values up to it go to the left; values are compared in single precision.
    children : ndarray of int32, shape (m, 2)
        Indices of the left and the right child.
    missing_left : ndarray of uint8, shape (m,)
        Whether missing values go to the left.
    value : ndarray of float32, shape (m,)
        What a leaf adds to the prediction.
    """

    baseline: float
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    children: NDArray[np.int32]
    missing_left: NDArray[np.uint8]
    value: NDArray[np.float32]

    @classmethod
    def of_boosting(cls, model: Any) -> Self:
        """Copy the trees of a fitted HistGradientBoostingRegressor with a squared or absolute error."""
        trees = [predictors[0].nodes for predictors in model._predictors]
        parts = [
            (
                nodes["is_leaf"].astype(bool),
                nodes["feature_idx"],
                nodes["num_threshold"],
                np.stack([nodes["left"], nodes["right"]], axis=1),
                nodes["missing_go_to_left"],
                nodes["value"],
            )
            for nodes in trees
        ]
        return cls._join(float(np.ravel(model._baseline_prediction)[0]), parts)

    @classmethod
    def of_forest(cls, model: Any) -> Self:
        """Copy the trees of a fitted ExtraTreesRegressor, each with its share of the mean."""
        trees = [estimator.tree_ for estimator in model.estimators_]
        parts = [
            (
                tree.children_left < 0,
                tree.feature,
                tree.threshold,
                np.stack([tree.children_left, tree.children_right], axis=1),
                tree.missing_go_to_left,
                tree.value[:, 0, 0] / len(trees),
            )
            for tree in trees
        ]
        return cls._join(0.0, parts)

    @classmethod
    def _join(cls, baseline: float, trees: Sequence[tuple[NDArray[Any], ...]]) -> Self:
        """Join trees of leaf marks, features, thresholds, children, directions of missing values, and values."""
        counts = np.array([len(tree[0]) for tree in trees])
        roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        leaf, feature, threshold, children, missing_left, value = (np.concatenate(part) for part in zip(*trees, strict=True))
        children = children + np.repeat(roots, counts)[:, None]
        largest = np.finfo(np.float64).max  # a split into known and missing values has the threshold infinity
        return cls(
            baseline,
            roots,
            np.where(leaf, -1, feature).astype(np.int32),
            np.clip(np.where(leaf, 0.0, threshold), -largest, largest),
            np.where(leaf[:, None], 0, children).astype(np.int32),
            missing_left.astype(np.uint8),
            np.where(leaf, value, 0.0).astype(np.float32),
        )

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors (ones), shape (n,) each, for a matrix of shape (n, p); NaN marks missing values."""
        single = matrix.astype(np.float32).astype(np.float64)
        rows = max(1, CELLS // max(len(self.roots), 1))
        parts = [self._predict(single[start : start + rows]) for start in range(0, len(matrix), rows)]
        return np.concatenate([np.zeros(0), *parts]), np.ones(len(matrix))

    def _predict(self, matrix: Floats) -> Floats:
        """Walk down all trees for all rows; a pair of row and tree leaves the walk when it reaches a leaf."""
        n, t = len(matrix), len(self.roots)
        totals = np.full(n, self.baseline)
        row, node = np.repeat(np.arange(n), t), np.tile(self.roots, n)
        while len(row):
            feature = self.feature[node]
            leaf = feature < 0
            totals += np.bincount(row[leaf], weights=self.value[node[leaf]], minlength=n)
            row, node, feature = row[~leaf], node[~leaf], feature[~leaf]
            value = matrix[row, feature]
            left = np.where(np.isnan(value), self.missing_left[node] > 0, value <= self.threshold[node])
            node = self.children[node, np.where(left, 0, 1)]
        return totals

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Return the arrays that `of_arrays` reads."""
        return {
            "baseline": np.array([self.baseline]),
            "roots": self.roots,
            "feature": self.feature,
            "threshold": self.threshold,
            "children": self.children,
            "missing_left": self.missing_left,
            "value": self.value,
        }

    @classmethod
    def of_arrays(cls, read_array: Callable[..., NDArray[Any]]) -> Self:
        """Build trees from stored arrays; `stored(name, *shape)` returns one after checking its shape.

        Raises
        ------
        ValueError
            If a node has no valid children, so that a walk would not end.
        """
        feature = read_array("feature", -1)
        m = len(feature)
        trees = cls(
            float(read_array("baseline", 1)[0]),
            read_array("roots", -1),
            feature,
            read_array("threshold", m),
            read_array("children", m, 2),
            read_array("missing_left", m),
            read_array("value", m),
        )
        inner = np.flatnonzero(feature >= 0)
        # A child has a higher number than its parent, so no walk is endless.
        if not ((trees.children[inner] > inner[:, None]).all() and (trees.children < m).all() and (trees.roots < m).all()):
            raise ValueError("a node of the trees has no valid children")
        return trees


def fit_boosting(matrix: Floats, values: Floats, *, compact: NDArray[np.bool_]) -> TreeSum:
    """Fit gradient-boosted trees, which minimise the absolute error, to all columns of a matrix of shape (n, p)."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # takes a second to import

    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        max_iter=BOOSTED_TREES,
        learning_rate=RATE,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=LEAST_IN_LEAF,
        max_features=COLUMNS_PER_SPLIT,
        early_stopping=False,
        random_state=0,
    )
    with threadpool_limits(limits=1):
        return TreeSum.of_boosting(model.fit(matrix.astype(np.float32), values))


def fit_forest(matrix: Floats, values: Floats, *, compact: NDArray[np.bool_]) -> TreeSum:
    """Fit extremely randomised trees (Geurts, Ernst & Wehenkel 2006) to all columns of a matrix of shape (n, p)."""
    from sklearn.ensemble import ExtraTreesRegressor  # takes a second to import

    model = ExtraTreesRegressor(
        FOREST_TREES, min_samples_leaf=LEAST_IN_FOREST_LEAF, max_features=COLUMNS_PER_SPLIT, random_state=0, n_jobs=1
    )
    return TreeSum.of_forest(model.fit(matrix.astype(np.float32), values))
