"""Correction of fits: limits of values, invariance under turns, and a training that removes a bias and scales errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.heads.structure.correction import (
    CORRECTED,
    FEATURES,
    SHIFTED,
    Correction,
    CorrectionNetwork,
    apply_shift,
    features_of,
    open_correction,
)
from backend.heads.structure.correction_training import FitRecord, train_correction
from backend.heads.structure.measurement import Measured
from backend.heads.structure.psf import gaussian_psf


def bright_fit() -> tuple[np.ndarray, np.ndarray]:
    """Return parameters of a bright galaxy and their covariance."""
    deviations = [0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 30.0, 0.02]
    return np.array([30.0, 31.0, 1.5, 0.2, 0.1, 0.3, 5000.0, 0.0]), np.diag(deviations) ** 2


def quantities(**values: float) -> dict[str, Measured]:
    fit = dict.fromkeys(CORRECTED, 0.5) | {"flux": 100.0, "sky": 0.0} | values
    return {name: Measured(value, 0.1) for name, value in fit.items()}


def test_features_do_not_change_when_the_galaxy_is_turned() -> None:
    parameters, covariance = bright_fit()
    rotated_parameters = parameters.copy()
    rotated_parameters[3:5] = -0.1, 0.2  # by 45 degrees
    first, second = (
        features_of(own, covariance, psf=gaussian_psf(2.0), scatter=1.1, signal=200.0)
        for own in (parameters, rotated_parameters)
    )
    assert first.shape == (FEATURES,)
    assert first == pytest.approx(second)


def test_untrained_correction_changes_nothing() -> None:
    fit = quantities()
    assert Correction.of(CorrectionNetwork()).correct(fit, np.zeros(FEATURES)) == pytest.approx(fit)


@pytest.mark.parametrize("name", SHIFTED)
@pytest.mark.parametrize("shift", [-3.0, 3.0])
def test_corrected_values_stay_possible(name: str, shift: float) -> None:
    value = float(apply_shift(name, torch.tensor(0.9), torch.tensor(2.0), torch.tensor(shift)))
    assert value > 0
    assert name != "axis_ratio" or value <= 1


@pytest.mark.slow
def test_training_removes_a_bias_and_scales_errors() -> None:
    rng = np.random.default_rng(0)
    true = np.full((2000, len(CORRECTED)), 50.0)
    true[:, CORRECTED.index("axis_ratio")] = 0.5
    errors = 0.02 * true
    values = true + errors * (2 * rng.normal(size=true.shape) - 1)  # errors too small by 2, and a bias of one error
    record = FitRecord(rng.normal(size=(2000, FEATURES)), values, errors, true, np.full(2000, 50.0))
    network = train_correction(record, steps=300)
    with torch.inference_mode():
        shifts, factors = network(torch.zeros(1, FEATURES))
    assert shifts[0].numpy() == pytest.approx(np.ones(4), abs=0.35)
    assert factors[0].exp().numpy()[:4] == pytest.approx(np.full(4, 2.0), rel=0.25)


def test_galaxy_with_structure_that_the_model_lacks_is_not_corrected() -> None:
    parameters, covariance = bright_fit()
    features = features_of(parameters, 100 * covariance, psf=gaussian_psf(2.0), scatter=3.0, signal=20.0)
    assert open_correction().correct(quantities(), features) == pytest.approx(quantities())


def test_shipped_correction_of_a_bright_galaxy_is_a_part_of_its_error() -> None:
    parameters, covariance = bright_fit()
    features = features_of(parameters, covariance, psf=gaussian_psf(2.0), scatter=1.0, signal=300.0)
    fit = quantities()
    correction = open_correction().correct(fit, features)
    for name in SHIFTED:
        assert correction[name].value == pytest.approx(fit[name].value)
        assert correction[name].error == pytest.approx(0.1, rel=0.5)


def test_stored_correction_is_the_same(tmp_path: Path) -> None:
    correction = open_correction()
    correction.save(tmp_path)
    features = np.linspace(-1.0, 1.0, FEATURES, dtype=np.float64)
    assert Correction.load(tmp_path).correct(quantities(), features) == correction.correct(quantities(), features)
