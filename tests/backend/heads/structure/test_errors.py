"""Errors of fits: they hold for white and for correlated noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.heads.structure.errors import covariance_of_fit, noise_correlation, quantities_with_errors
from backend.heads.structure.priors import noise_kernel


def correlated_noise(rng: np.random.Generator, side: int) -> np.ndarray:
    white = rng.normal(size=(side + 2, side + 2))
    near = [[0, 0], [0, 1], [1, 0], [1, 1]]
    return np.sum([white[i : i + side, j : j + side] for i, j in near], axis=0) / 2


def test_white_noise_has_no_correlation() -> None:
    rng = np.random.default_rng(0)
    assert all(noise_correlation(rng.normal(size=(64, 64)), np.ones((64, 64), bool)) is None for _ in range(20))


def test_correlation_of_neighbouring_pixels_is_measured() -> None:
    usable = np.ones((96, 96), bool)
    usable[30:60, 30:60] = False
    correlation = noise_correlation(correlated_noise(np.random.default_rng(1), 96), usable)
    assert correlation is not None
    assert correlation[4, 4] == pytest.approx(1, abs=0.01)
    assert correlation[4, 5] == pytest.approx(0.5, abs=0.06)
    assert correlation[5, 5] == pytest.approx(0.25, abs=0.06)


def test_error_of_a_sky_level_grows_with_correlated_noise() -> None:
    ones = torch.ones(1, 50, 50)
    hessian = torch.tensor([[2500.0]], dtype=torch.float64)
    rng = np.random.default_rng(2)
    noise = [correlated_noise(rng, 50) for _ in range(300)]
    correlation = noise_correlation(noise[0], np.ones((50, 50), bool))
    variance = covariance_of_fit(hessian, ones, ones[0], correlation=correlation, scatter=0.9)[0, 0]
    assert np.sqrt(variance) == pytest.approx(np.std([image.mean() for image in noise]), rel=0.25)
    assert covariance_of_fit(hessian, ones, ones[0], correlation=None, scatter=4.0)[0, 0] == pytest.approx(4 / 2500)


def test_position_angle_near_zero_has_a_small_error() -> None:
    mean = np.array([0, 0, 1, 0.5, 0.001, 0, 100, 0], float)
    covariance = np.diag(np.full(8, 1e-4))
    assert quantities_with_errors(mean, covariance)["position_angle_deg"].error < 2  # type: ignore[operator]


def test_noise_kernel_reproduces_its_correlation() -> None:
    y, x = np.mgrid[-20:21, -20:21]
    kernel = noise_kernel(np.exp(-(x**2 + y**2) / 4.0))
    assert (kernel**2).sum() == pytest.approx(1)
    assert (kernel[:, :-1] * kernel[:, 1:]).sum() == pytest.approx(np.exp(-0.25), abs=0.02)
