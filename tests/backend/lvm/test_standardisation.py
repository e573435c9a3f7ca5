"""A number that hardly varies among the labelled galaxies must not decide the predictions of others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.heads.classification.morphology import Morphology
from backend.heads.regression.linear import LinearFit
from backend.heads.regression.ridge import fit_ridge
from backend.lvm.standardisation import deviations_of, scales_of

LABELS = 24


def embeddings(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return embeddings, shape (n, 40), the first of which is the value; the last 30 are zero for most galaxies."""
    source = np.random.default_rng(seed)
    rows = source.normal(size=(200, 40))
    rows[:, 10:] = np.where(source.uniform(size=(200, 30)) < 0.05, source.normal(1, 0.3, (200, 30)), 0)
    rows[:LABELS, 10:] *= 1e-4
    return rows, rows[:, 0]


def test_scales_are_at_least_half_the_mean_deviation() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 4)) * [0, 1, 1, 2]
    assert scales_of(rows) == pytest.approx([0.5, 1.12, 1.12, 2.06], rel=0.1)


def test_equal_embeddings_are_not_divided_by_zero() -> None:
    assert scales_of(np.ones((5, 3))).tolist() == [1, 1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_a_value_is_predicted_where_rare_numbers_are_large(seed: int) -> None:
    rows, values = embeddings(seed)
    predictions, _ = fit_ridge(rows[:LABELS], values[:LABELS])[0].predict(rows[LABELS:])
    error = float(np.mean((predictions - values[LABELS:]) ** 2))
    assert error < 0.5 * float(values[LABELS:].var())


@pytest.mark.parametrize("seed", range(3))
def test_a_class_is_predicted_where_rare_numbers_are_large(seed: int) -> None:
    rows, values = embeddings(seed)
    targets = np.stack([values <= 0, values > 0], axis=1).astype(float)
    head = Morphology.fit(rows[:LABELS], targets[:LABELS], classes=("low", "high"), exclusive=True)
    is_right = (head.predict(rows[LABELS:])[:, 1] > 0.5) == (values[LABELS:] > 0)
    assert is_right.mean() > 0.75


def test_features_in_small_units_count_as_much_as_others() -> None:
    source = np.random.default_rng(0)
    rows = source.normal(size=(60, 3)) * [1e-9, 1, 1e6]
    assert deviations_of(rows) == pytest.approx([1e-9, 1, 1e6], rel=0.3)
    values = rows[:, 0] / 1e-9
    fit = LinearFit.fit(rows[:40], values[:40], compact=np.ones(3, bool))
    assert np.abs(fit.predict(rows[40:])[0] - values[40:]).max() < 0.3


def test_a_constant_feature_is_not_divided_by_its_rounding_errors() -> None:
    rows = np.stack([np.full(7, 1e5 / 3), np.zeros(7)], axis=1)
    assert deviations_of(rows).tolist() == [1, 1]
