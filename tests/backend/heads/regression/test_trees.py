from __future__ import annotations

import numpy as np
import pytest

from backend.heads.regression.trees import BoostedTrees

pytestmark = pytest.mark.slow  # imports scikit-learn


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_stored_trees_predict_as_scikit_learn(missing: float) -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(400, 6))
    values = matrix[:, 0] ** 2 + 0.5 * matrix[:, 1]
    matrix[rng.random(matrix.shape) < missing] = np.nan
    model = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=7, early_stopping=False).fit(matrix, values)
    other = rng.normal(size=(3000, 6))
    other[rng.random(other.shape) < 0.3] = np.nan
    trees = BoostedTrees.of_model(model)
    predicted, relative = trees.predict(other)
    assert predicted == pytest.approx(model.predict(other), abs=1e-12)
    assert (relative == 1).all()


def test_trees_with_an_endless_walk_are_refused() -> None:
    trees = BoostedTrees.fit(np.arange(60, dtype=np.float64)[:, None], np.arange(60, dtype=np.float64))
    arrays = dict(trees.arrays())
    assert (BoostedTrees.of_arrays(lambda name, *shape: arrays[name]).children == trees.children).all()
    arrays["children"] = np.zeros_like(arrays["children"])
    with pytest.raises(ValueError, match="no valid children"):
        BoostedTrees.of_arrays(lambda name, *shape: arrays[name])
