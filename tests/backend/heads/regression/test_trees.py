from __future__ import annotations

import numpy as np
import pytest

from backend.heads.regression.trees import TreeSum, fit_forest

LINE = np.arange(60, dtype=np.float64)
pytestmark = pytest.mark.slow  # imports scikit-learn


@pytest.mark.parametrize("missing_value", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["boosting", "forest"])
def test_the_stored_trees_predict_as_scikit_learn(kind: str, missing_value: float) -> None:
    from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 6)).astype(np.float32)
    values = matrix[:, 0] ** 2 + 0.5 * matrix[:, 1]
    matrix[rng.random(matrix.shape) < missing_value] = np.nan
    model = (
        HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=7, early_stopping=False)
        if kind == "boosting"
        else ExtraTreesRegressor(20, min_samples_leaf=2, random_state=0)
    )
    model.fit(matrix, values)
    other = rng.normal(size=(3000, 6)).astype(np.float32)
    if missing_value or kind == "boosting":
        other[rng.random(other.shape) < 0.3] = np.nan
    trees = TreeSum.of_boosting(model) if kind == "boosting" else TreeSum.of_forest(model)
    predictions, relative = trees.predict(other.astype(np.float64))
    assert predictions == pytest.approx(model.predict(other), abs=1e-6)
    assert (relative == 1).all()


def test_trees_with_an_endless_walk_are_refused() -> None:
    trees = fit_forest(LINE[:, None], LINE, compact=np.ones(1, bool))
    arrays = dict(trees.arrays())
    assert (TreeSum.of_arrays(lambda name, *shape: arrays[name]).children == trees.children).all()
    arrays["children"] = np.zeros_like(arrays["children"])
    with pytest.raises(ValueError, match="no valid children"):
        TreeSum.of_arrays(lambda name, *shape: arrays[name])
