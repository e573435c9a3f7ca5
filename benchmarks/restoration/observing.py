"""Observed images with known answers: scenes seen through a PSF with noise, and the same scenes at the target resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.restoration.target import FWHM_PER_SIGMA, TARGET_FWHM_PX, embed_psfs, gaussian_transfer, psf_widths
from benchmarks.restoration.galaxies import CANVAS, OVERSAMPLING
from benchmarks.restoration.real import PSF_CELLS

__all__ = ["Observed", "moffat_psf", "observe", "random_psf"]

BORDER = 32
"""Cells outside of the image on each side."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Observed images and their answers.

    Attributes
    ----------
    images : Tensor, shape (n, h, w)
        Observed images, without sky.
    psfs : Tensor, shape (n, k, k)
        Their PSFs on pixels.
    widths : Tensor, shape (n,)
        FWHM of the PSFs, pixels.
    target, clean : Tensor, shape (n, h, w)
        Without noise: at the target resolution, and as observed.
    noise : Tensor, shape (n,)
        Standard deviation of the noise of the sky.
    """

    images: Tensor
    psfs: Tensor
    widths: Tensor
    target: Tensor
    clean: Tensor
    noise: Tensor


def observe(
    scenes: NDArray[np.float32],
    psfs: NDArray[np.float32],
    signal_to_noise: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    realistic: bool,
) -> Observed:
    """Observe scenes.

    Parameters
    ----------
    scenes : ndarray, shape (n, CANVAS, CANVAS)
    psfs : ndarray, shape (n, PSF_CELLS, PSF_CELLS)
        On the grid of half pixels, with unit sums.
    signal_to_noise : ndarray, shape (n,)
        Root of the summed squared brightness over the noise of a pixel, as in GalSim and in Li & Alexander (2023).
    realistic : bool
        Whether the noise of some images is correlated or grows with the brightness, and the sky is imperfectly subtracted.
    """
    grid = (CANVAS, CANVAS)
    spectrum = torch.fft.rfft2(torch.from_numpy(scenes))
    cells = torch.from_numpy(psfs)
    blurred_cells = _pixels(torch.fft.irfft2(spectrum * embed_psfs(cells, grid), s=grid))
    target = _pixels(torch.fft.irfft2(spectrum * gaussian_transfer(grid, fwhm_px=OVERSAMPLING * TARGET_FWHM_PX), s=grid))
    noise = (blurred_cells**2).sum(dim=(1, 2)).sqrt() / torch.from_numpy(signal_to_noise.astype(np.float32))
    grains = rng.normal(size=tuple(blurred_cells.shape)).astype(np.float32)
    if realistic:
        grains = _realistic(grains, blurred_cells.numpy(), rng)
    psf_pixels = cells[:, 1::OVERSAMPLING, 1::OVERSAMPLING]
    psf_pixels = psf_pixels / psf_pixels.sum(dim=(1, 2), keepdim=True)
    images = blurred_cells + noise[:, None, None] * torch.from_numpy(grains)
    return Observed(images, psf_pixels, psf_widths(psf_pixels), target, blurred_cells, noise)


def moffat_psf(fwhm_px: float, *, beta: float, ellipticity: float, angle: float) -> NDArray[np.float32]:
    """Return a Moffat PSF on the grid of half pixels; a Gaussian if `beta` is infinite."""
    at = (np.arange(PSF_CELLS) - PSF_CELLS // 2) / OVERSAMPLING
    x, y = at[None, :], at[:, None]
    stretch = math.sqrt(1 - ellipticity)
    along = (x * math.cos(angle) + y * math.sin(angle)) * stretch
    across = (-x * math.sin(angle) + y * math.cos(angle)) / stretch
    radius_squared = along**2 + across**2
    if math.isinf(beta):
        psf = np.exp(-0.5 * radius_squared * (FWHM_PER_SIGMA / fwhm_px) ** 2)
    else:
        core = fwhm_px / (2 * math.sqrt(2 ** (1 / beta) - 1))
        psf = (1 + radius_squared / core**2) ** -beta
    return (psf / psf.sum()).astype(np.float32)


def random_psf(rng: np.random.Generator, real: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return a real PSF in a third of the cases, otherwise a Moffat or Gaussian of 2.2 to 7 pixels."""
    if rng.random() < 0.33:
        psf = real[int(rng.integers(len(real)))]
        rotated_psf = np.rot90(psf, int(rng.integers(4)))
        return np.ascontiguousarray(rotated_psf if rng.random() < 0.5 else rotated_psf[:, ::-1])
    beta = math.inf if rng.random() < 0.2 else rng.uniform(2.5, 5)
    fwhm = math.exp(rng.uniform(math.log(2.2), math.log(7)))
    return moffat_psf(fwhm, beta=beta, ellipticity=rng.beta(1, 8), angle=rng.uniform(0, math.pi))


def _pixels(cells: Tensor) -> Tensor:
    inside = slice(BORDER, CANVAS - BORDER, OVERSAMPLING)
    return cells[:, inside, inside] * OVERSAMPLING**2


def _realistic(grains: NDArray[np.float32], clean: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    from scipy import ndimage

    out = grains.copy()
    for index in range(len(grains)):
        if rng.random() < 0.25:
            smooth = ndimage.gaussian_filter(grains[index], rng.uniform(0.3, 0.7), mode="wrap")
            out[index] = smooth / smooth.std()
        if rng.random() < 0.3:
            relative = np.clip(clean[index] / clean[index].max(), 0, 1)
            out[index] *= np.sqrt(1 + 10 ** rng.uniform(-0.5, 1.5) * relative)
        out[index] += rng.normal(0, 0.1)
    return out
