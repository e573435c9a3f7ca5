from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.errors import NotEnoughLabels
from backend.heads.regression import MINIMUM_LABELS, Parameters


def linear(n: int, d: int, *, noise: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, d)).astype(np.float32)
    return embeddings, 5 + embeddings[:, :3] @ [1.0, -2.0, 0.5] + rng.normal(0, noise, n)


def test_a_value_contained_in_the_embeddings_is_predicted() -> None:
    embeddings, values = linear(600, 40, noise=0.3)
    head = Parameters.fit(embeddings[:300], values[:300])
    predictions, _ = head.predict(embeddings[300:])
    assert np.std(predictions - values[300:]) < 0.4


def test_error_bars_cover_two_thirds_of_the_values() -> None:
    embeddings, values = linear(1200, 40, noise=0.3)
    predictions, deviation = Parameters.fit(embeddings[:200], values[:200]).predict(embeddings[200:])
    assert np.mean(np.abs(predictions - values[200:]) < deviation) == pytest.approx(0.68, abs=0.07)


def test_with_more_dimensions_than_galaxies_it_is_better_than_the_mean() -> None:
    embeddings, values = linear(1080, 200, noise=0.1)
    predictions, _ = Parameters.fit(embeddings[:80], values[:80]).predict(embeddings[80:])
    assert np.std(predictions - values[80:]) < np.std(values[80:])


def test_values_independent_of_the_embeddings_are_predicted_by_their_mean() -> None:
    rng = np.random.default_rng(0)
    predictions, deviation = Parameters.fit(rng.normal(size=(60, 100)), rng.normal(3, 1, 60)).predict(
        rng.normal(size=(50, 100))
    )
    assert predictions == pytest.approx(3, abs=1)
    assert deviation == pytest.approx(1, abs=0.5)


def test_a_constant_is_predicted_with_certainty() -> None:
    predictions, deviation = Parameters.fit(np.random.default_rng(0).normal(size=(10, 4)), np.full(10, 7.0)).predict(
        np.ones((2, 4))
    )
    assert predictions.tolist() == [7, 7]
    assert deviation.tolist() == [0, 0]


def test_equal_embeddings_give_finite_predictions() -> None:
    predictions, _ = Parameters.fit(np.ones((8, 4)), np.arange(8.0)).predict(np.ones((1, 4)))
    assert predictions[0] == pytest.approx(3.5)


def test_a_saved_head_is_loaded_unchanged(tmp_path: Path) -> None:
    embeddings, values = linear(30, 5, noise=0.1)
    head = Parameters.fit(embeddings, values)
    head.save(tmp_path)
    for before, after in zip(head.predict(embeddings), Parameters.load(tmp_path).predict(embeddings), strict=True):
        assert (before == after).all()


def test_a_head_of_few_galaxies_is_small(tmp_path: Path) -> None:
    embeddings, values = linear(20, 400, noise=0.1)
    Parameters.fit(embeddings, values).save(tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000


def test_a_head_stored_with_its_covariance_predicts_the_same(tmp_path: Path) -> None:
    embeddings, values = linear(20, 50, noise=0.1)
    head = Parameters.fit(embeddings, values)
    fields = {"intercept": head.intercept, "noise": head.noise, "encoder": head.encoder}
    arrays = {"mean": head.mean, "scale": head.scale, "weights": head.weights, "covariance": head.root.T @ head.root}
    storage.write(tmp_path, head="parameters", fields=fields, arrays=arrays)
    others = linear(30, 50, noise=0.1, seed=1)[0]
    for now, before in zip(head.predict(others), Parameters.load(tmp_path).predict(others), strict=True):
        np.testing.assert_allclose(now, before, rtol=1e-3)


def test_too_few_values_are_an_error() -> None:
    with pytest.raises(NotEnoughLabels, match=f"at least {MINIMUM_LABELS}"):
        Parameters.fit(np.ones((5, 3)), np.arange(5.0))


@pytest.mark.parametrize("values", [np.arange(9.0), np.full(8, np.nan), np.ones((8, 1))])
def test_values_of_another_shape_are_an_error(values: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="values"):
        Parameters.fit(np.ones((8, 3)), values)


def test_embeddings_of_another_dimension_are_an_error() -> None:
    head = Parameters.fit(np.ones((8, 3)), np.arange(8.0))
    with pytest.raises(ValueError, match="shape"):
        head.predict(np.ones((2, 4)))
