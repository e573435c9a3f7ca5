"""Calibration error: zero if probabilities are frequencies, otherwise the distance between them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_calibration_error

from backend.heads.classification.calibration import brier_score, expected_calibration_error

probabilities = arrays(np.float64, (30, 3), elements=st.floats(0.01, 1)).map(lambda a: a / a.sum(axis=1, keepdims=True))


@settings(max_examples=30, deadline=None)
@given(probabilities, st.integers(0, 99))
def test_for_hard_labels_the_error_equals_that_of_torchmetrics(drawn_shares: NDArray[np.float64], seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=30)
    shares = 0.99 * drawn_shares + 0.01 * rng.dirichlet(np.ones(3), 30)  # none at the edge of a bin, such as 1/3
    theirs = multiclass_calibration_error(torch.from_numpy(shares), torch.from_numpy(labels), num_classes=3, n_bins=15)
    assert expected_calibration_error(shares, np.eye(3)[labels]) == pytest.approx(float(theirs), abs=1e-5)


def test_frequencies_are_calibrated_and_overconfidence_is_measured() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 20_000)
    true = np.eye(4)[[rng.choice(4, p=row) for row in probabilities]]
    assert expected_calibration_error(probabilities, true) < 0.01
    sharp_probabilities = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharp_probabilities, true) > 0.1


def test_calibration_is_measured_against_shares_of_annotators() -> None:
    probabilities = np.tile([0.7, 0.3], (50, 1))
    assert expected_calibration_error(probabilities, probabilities) == pytest.approx(0)
    assert expected_calibration_error(np.tile([0.9, 0.1], (50, 1)), probabilities) == pytest.approx(0.2)


def test_the_error_of_independent_classes_is_averaged() -> None:
    probabilities, true = np.tile([0.9, 0.2], (10, 1)), np.tile([1.0, 0.0], (10, 1))
    assert expected_calibration_error(probabilities, true, exclusive=False) == pytest.approx(0.15)


def test_the_brier_score_is_the_squared_error() -> None:
    probabilities, true = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    assert brier_score(probabilities, true) == pytest.approx(0.5)
    assert brier_score(probabilities, true, exclusive=False) == pytest.approx(0.25)


@pytest.mark.parametrize("probabilities", [np.ones((2, 3)), np.ones(2), np.ones((0, 2))])
def test_arrays_of_other_shapes_are_an_error(probabilities: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="one shape"):
        expected_calibration_error(probabilities, np.ones((2, 2)) if probabilities.size else probabilities)
