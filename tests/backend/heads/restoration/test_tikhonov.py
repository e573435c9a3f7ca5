"""The Tikhonov filter: unit flux, the target resolution, a weight that follows the noise, no shift by an off-centre PSF."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from backend.heads.restoration.target import FWHM_PER_SIGMA, TARGET_FWHM_PX, embed_psfs, psf_widths
from backend.heads.restoration.tikhonov import deconvolve
from backend.heads.structure.psf import gaussian_psf


def galaxy(fwhm_px: float, *, side: int = 64) -> torch.Tensor:
    """Return a Gaussian galaxy of unit flux seen with a total width, shape (1, side, side)."""
    image = np.zeros((side, side))
    image[side // 2, side // 2] = 1
    return torch.from_numpy(ndimage.gaussian_filter(image, fwhm_px / FWHM_PER_SIGMA).astype(np.float32))[None]


def kernel(fwhm_px: float) -> torch.Tensor:
    return torch.from_numpy(gaussian_psf(fwhm_px).pixels.astype(np.float32))[None]


def test_an_image_without_noise_gets_the_target_resolution() -> None:
    result = deconvolve(galaxy(5.0), kernel(4.0), torch.tensor([1e-6]))
    width = float(np.sqrt(25 - 16 + TARGET_FWHM_PX**2))
    assert float(psf_widths(result.images[:, 0])[0]) == pytest.approx(width, abs=0.15)


def test_the_total_flux_is_unchanged() -> None:
    result = deconvolve(galaxy(5.0), kernel(4.0), torch.tensor([1e-4]))
    assert result.images.sum(dim=(2, 3)).numpy() == pytest.approx(np.ones((1, 3)), abs=1e-3)


def test_more_noise_gives_a_smoother_filter() -> None:
    grains = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 64, 64)).astype(np.float32))
    weights = [
        float(deconvolve(galaxy(5.0) + noise * grains, kernel(4.0), torch.tensor([noise])).weight)
        for noise in (1e-4, 1e-3, 1e-2)
    ]
    assert weights[0] < weights[1] < weights[2]


def test_the_noise_of_a_filtered_image_is_that_of_filtered_noise() -> None:
    grains = torch.from_numpy(np.random.default_rng(1).normal(size=(8, 64, 64)).astype(np.float32))
    result = deconvolve(grains, kernel(3.0).expand(8, -1, -1), torch.ones(8))
    assert result.images[:, 0].std().item() == pytest.approx(result.noise[:, 0].mean().item(), rel=0.1)


def test_a_psf_off_the_middle_of_its_array_does_not_shift_the_image() -> None:
    psf = kernel(4.0)
    shifted_psf = torch.roll(torch.nn.functional.pad(psf, (3, 3, 3, 3)), (2, -1), dims=(1, 2))
    assert torch.allclose(embed_psfs(psf, (80, 80)), embed_psfs(shifted_psf, (80, 80)), atol=1e-4)


@pytest.mark.parametrize("fwhm_px", [2.0, 3.3, 6.0])
def test_the_width_of_a_psf_is_measured(fwhm_px: float) -> None:
    assert float(psf_widths(kernel(fwhm_px))[0]) == pytest.approx(fwhm_px, abs=0.12)
