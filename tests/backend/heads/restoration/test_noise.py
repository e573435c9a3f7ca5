"""The noise of images, also with correlated pixels, galaxies and filled pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from backend.heads.restoration.noise import measure_noise, starlet

RNG = np.random.default_rng(0)
WHITE = RNG.normal(0, 2.0, (96, 96)).astype(np.float32)


def test_the_starlet_coefficients_add_up_to_the_image() -> None:
    image = torch.from_numpy(WHITE)[None]
    assert torch.allclose(torch.stack(starlet(image, 4)).sum(dim=0), image, atol=1e-5)


def test_a_short_image_has_all_scales() -> None:
    assert [plane.shape for plane in starlet(torch.ones(1, 5, 7), 4)] == [(1, 5, 7)] * 5


def test_a_bright_galaxy_does_not_raise_the_noise() -> None:
    rows, columns = np.indices(WHITE.shape)
    light = 100 * np.exp(-np.hypot(rows - 48, columns - 48) / 4)
    assert float(measure_noise(torch.from_numpy(WHITE + light.astype(np.float32))[None])) == pytest.approx(2.0, rel=0.15)


def test_correlated_noise_is_not_underestimated_by_much() -> None:
    smooth = ndimage.gaussian_filter(WHITE, 0.6)
    smooth *= 2 / smooth.std()
    assert float(measure_noise(torch.from_numpy(smooth)[None])) > 1.6


def test_filled_pixels_do_not_count() -> None:
    image, valid = WHITE.copy(), np.ones(WHITE.shape, dtype=bool)
    image[:60], valid[:60] = 0, False
    estimate = measure_noise(torch.from_numpy(image)[None], valid=torch.from_numpy(valid)[None])
    assert float(estimate) == pytest.approx(2.0, rel=0.1)
