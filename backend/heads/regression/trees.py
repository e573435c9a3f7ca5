"""Gradient-boosted trees: fitted by scikit-learn, stored as plain arrays and evaluated here.

A pickle of scikit-learn can run code and depends on the version of the library; skops reads such files safely, but they still
depend on that version. A tree is six numbers per node, so an old head predicts the same with any version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

__all__ = ["BoostedTrees"]

Floats = NDArray[np.float64]

TREES, RATE = 300, 0.05
LEAVES, LEAST_IN_LEAF = 15, 10
ROWS = 2000
"""Rows that are evaluated together: bounds the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class BoostedTrees:
    """A fitted sum of t trees with m nodes in all.

    Attributes
    ----------
    baseline : float
        Prediction without trees.
    roots : ndarray of int32, shape (t,)
        Index of the first node of each tree.
    feature : ndarray of int32, shape (m,)
        Column that a node compares; -1 for a leaf.
    threshold : ndarray of float64, shape (m,)
        Values up to it go to the left.
    children : ndarray of int32, shape (m, 2)
        Indices of the left and the right child.
    missing_left : ndarray of uint8, shape (m,)
        Whether missing values go to the left.
    value : ndarray of float64, shape (m,)
        What a leaf adds to the prediction.
    """

    baseline: float
    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    children: NDArray[np.int32]
    missing_left: NDArray[np.uint8]
    value: Floats

    @classmethod
    def fit(cls, matrix: Floats, values: Floats, *, seed: int = 0) -> Self:
        """Fit trees.

        Parameters
        ----------
        matrix : ndarray, shape (n, p)
            NaN marks a missing value.
        values : ndarray, shape (n,)
        """
        from sklearn.ensemble import HistGradientBoostingRegressor  # takes a second to import

        model = HistGradientBoostingRegressor(
            loss="squared_error",
            max_iter=TREES,
            learning_rate=RATE,
            max_leaf_nodes=LEAVES,
            min_samples_leaf=LEAST_IN_LEAF,
            max_features=0.5,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(limits=1):
            model.fit(matrix, values)
        return cls.of_model(model)

    @classmethod
    def of_model(cls, model: Any) -> Self:
        """Copy the trees of a fitted HistGradientBoostingRegressor with a squared or absolute error."""
        trees = [predictors[0].nodes for predictors in model._predictors]
        counts = np.array([len(nodes) for nodes in trees])
        roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32) if trees else np.zeros(0, np.int32)
        nodes = np.concatenate(trees) if trees else np.zeros(0, [])
        offset = np.repeat(roots, counts)
        leaf = nodes["is_leaf"].astype(bool)
        children = np.stack([nodes["left"] + offset, nodes["right"] + offset], axis=1)
        return cls(
            float(np.ravel(model._baseline_prediction)[0]),
            roots,
            np.where(leaf, -1, nodes["feature_idx"]).astype(np.int32),
            np.clip(np.nan_to_num(nodes["num_threshold"]), np.finfo(np.float64).min, np.finfo(np.float64).max),
            np.where(leaf[:, None], 0, children).astype(np.int32),
            nodes["missing_go_to_left"].astype(np.uint8),
            np.where(leaf, nodes["value"], 0.0).astype(np.float64),
        )

    def predict(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return values and relative errors (ones), shape (n,) each, for a matrix of shape (n, p); NaN marks missing values."""
        parts = [self._predict(matrix[start : start + ROWS]) for start in range(0, len(matrix), ROWS)]
        return np.concatenate([np.zeros(0), *parts]), np.ones(len(matrix))

    def _predict(self, matrix: Floats) -> Floats:
        rows = np.arange(len(matrix))[:, None]
        node = np.broadcast_to(self.roots, (len(matrix), len(self.roots)))
        while True:
            feature = self.feature[node]
            inner = feature >= 0
            if not inner.any():
                return np.asarray(self.baseline + self.value[node].sum(axis=1), np.float64)
            observed = matrix[rows, np.where(inner, feature, 0)]
            left = np.where(np.isnan(observed), self.missing_left[node] > 0, observed <= self.threshold[node])
            node = np.where(inner, self.children[node, np.where(left, 0, 1)], node)

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
    def of_arrays(cls, stored: Callable[..., NDArray[Any]]) -> Self:
        """Build trees from stored arrays; `stored(name, *shape)` returns one after checking its shape.

        Raises
        ------
        ValueError
            If a node refers to no column or to no node.
        """
        feature = stored("feature", -1)
        m = len(feature)
        trees = cls(
            float(stored("baseline", 1)[0]),
            stored("roots", -1),
            feature,
            stored("threshold", m),
            stored("children", m, 2),
            stored("missing_left", m),
            stored("value", m),
        )
        own = np.arange(m)[:, None]
        inner = feature >= 0
        # A child has a higher number than its parent, so no walk is endless.
        if not ((trees.children[inner] > own[inner]).all() and (trees.children < max(m, 1)).all() and (trees.roots < m).all()):
            raise ValueError("a node of the trees has no valid children")
        return trees
