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
def test_of_hard_labels_it_is_what_torchmetrics_measures(said: NDArray[np.float64], seed: int) -> None:
    labels = np.random.default_rng(seed).integers(3, size=30)
    theirs = multiclass_calibration_error(torch.from_numpy(said), torch.from_numpy(labels), num_classes=3, n_bins=15)
    assert expected_calibration_error(said, np.eye(3)[labels]) == pytest.approx(float(theirs), abs=1e-5)


def test_frequencies_are_calibrated_and_overconfidence_is_measured() -> None:
    rng = np.random.default_rng(0)
    said = rng.dirichlet(np.ones(4), 20_000)
    true = np.eye(4)[[rng.choice(4, p=row) for row in said]]
    assert expected_calibration_error(said, true) < 0.01
    sharpened = said**3 / (said**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(sharpened, true) > 0.1


def test_annotators_who_disagree_are_met_by_probabilities_that_do_not() -> None:
    said = np.tile([0.7, 0.3], (50, 1))
    assert expected_calibration_error(said, said) == pytest.approx(0)
    assert expected_calibration_error(np.tile([0.9, 0.1], (50, 1)), said) == pytest.approx(0.2)


def test_questions_are_judged_each_by_itself() -> None:
    said, true = np.tile([0.9, 0.2], (10, 1)), np.tile([1.0, 0.0], (10, 1))
    assert expected_calibration_error(said, true, exclusive=False) == pytest.approx(0.15)


def test_the_brier_score_is_the_squared_error() -> None:
    said, true = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
    assert brier_score(said, true) == pytest.approx(0.5)
    assert brier_score(said, true, exclusive=False) == pytest.approx(0.25)


@pytest.mark.parametrize("said", [np.ones((2, 3)), np.ones(2), np.ones((0, 2))])
def test_what_does_not_fit_is_refused(said: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="one shape"):
        expected_calibration_error(said, np.ones((2, 2)) if said.size else said)
