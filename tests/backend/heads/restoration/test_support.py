"""Significant light that a restored image lacks is added; noise is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from backend.heads.restoration.support import unbias_flux
from backend.heads.restoration.target import FWHM_PER_SIGMA, TARGET_FWHM_PX
from backend.heads.structure.psf import gaussian_psf

NOISE = torch.tensor([0.01])
PSF = torch.from_numpy(gaussian_psf(4.0).pixels.astype(np.float32))[None]


def galaxy_of_width(fwhm_px: float) -> torch.Tensor:
    """Return a galaxy of flux 100, 3 pixels wide, as a PSF shows it."""
    image = np.zeros((64, 64))
    image[32, 32] = 100
    sigma = np.hypot(3.0, fwhm_px) / FWHM_PER_SIGMA
    return torch.from_numpy(ndimage.gaussian_filter(image, sigma).astype(np.float32))[None]


def test_a_faint_restored_galaxy_gets_its_flux_back() -> None:
    target, observation = galaxy_of_width(TARGET_FWHM_PX), galaxy_of_width(4.0)
    result = unbias_flux(0.8 * target, observation, PSF, NOISE, steps=6)
    assert float(result.sum()) == pytest.approx(100, rel=0.01)
    assert float((result - target).norm()) < 0.3 * float((0.2 * target).norm())


def test_noise_of_the_observation_is_not_added() -> None:
    grains = torch.from_numpy(np.random.default_rng(0).normal(0, 0.01, (1, 64, 64)).astype(np.float32))
    result = unbias_flux(torch.zeros(1, 64, 64), grains, PSF, NOISE, steps=6)
    assert float(result.std()) < 0.2 * float(grains.std())


def test_a_denoised_image_is_compared_at_its_own_resolution() -> None:
    observation = galaxy_of_width(4.0)
    assert float((unbias_flux(0.8 * observation, observation, None, NOISE, steps=6) - observation).abs().max()) < 0.03


def test_a_very_bright_source_gets_its_flux_back_with_few_steps() -> None:
    observation = 1000 * galaxy_of_width(4.0)
    result = unbias_flux(600 * galaxy_of_width(TARGET_FWHM_PX), observation, PSF, NOISE, steps=1)
    assert float(result.sum()) == pytest.approx(100_000, rel=0.005)
