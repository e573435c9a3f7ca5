"""Resolution of restored images: a Gaussian PSF of a fixed width in pixels.

A restored image is the galaxy as a telescope with this PSF would see it, without noise, at the pixel scale of the input. A
finite target resolution is well sampled and keeps the problem well posed (Sureau+2020, A&A 641, A67; Akhaury+2024, A&A 688,
A6).
All PSFs are effective: they include the pixel response.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["FWHM_PER_SIGMA", "TARGET_FWHM_PX", "embed_psfs", "gaussian_transfer", "psf_widths", "target_transfer"]

TARGET_FWHM_PX = 2.0
"""Full width at half maximum of the target PSF, pixels: the narrowest Gaussian that pixels sample to a few per cent."""
FINER = 5
"""Steps per pixel in which the width of a PSF is measured."""
FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))


def target_transfer(shape: tuple[int, int], *, fwhm_px: float = TARGET_FWHM_PX) -> Tensor:
    """Return the transfer function of the target PSF on the frequencies of `torch.fft.rfft2`, shape (h, w // 2 + 1)."""
    return gaussian_transfer(shape, fwhm_px=fwhm_px)


def gaussian_transfer(shape: tuple[int, int], *, fwhm_px: float) -> Tensor:
    """Return the transfer function of a Gaussian with unit sum, shape (h, w // 2 + 1)."""
    height, width = shape
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    sigma = fwhm_px / FWHM_PER_SIGMA
    return torch.exp(-2 * math.pi**2 * sigma**2 * (down**2 + across**2))


def embed_psfs(psfs: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return the transfer functions of PSFs, with the phase of their centroids removed.

    A PSF whose light is not centred on its array would shift the restored image; without its phase, the centroid of every
    galaxy stays where it was observed.

    Parameters
    ----------
    psfs : Tensor, shape (n, k, l)
        With unit sums; `k` and `l` are at most the sides of `shape`.
    shape : (h, w)
        Size of the padded image, pixels.

    Returns
    -------
    Tensor, shape (n, h, w // 2 + 1), complex
    """
    height, width = shape
    _, rows, columns = psfs.shape
    at_row, at_column = torch.arange(rows, dtype=psfs.dtype), torch.arange(columns, dtype=psfs.dtype)
    core = (psfs - 0.2 * psfs.amax(dim=(1, 2), keepdim=True)).clamp(min=0)  # wings are noise in empirical PSFs
    core = core / core.sum(dim=(1, 2), keepdim=True)
    centre_row = (core.sum(dim=2) * at_row).sum(dim=1)
    centre_column = (core.sum(dim=1) * at_column).sum(dim=1)
    down, across = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    phase = 2 * math.pi * (down * centre_row[:, None, None] + across * centre_column[:, None, None])
    spectrum: Tensor = torch.fft.rfft2(psfs, s=(height, width))
    return spectrum * torch.polar(torch.ones_like(phase), phase)


def psf_widths(psfs: Tensor) -> Tensor:
    """Return the FWHM of PSFs, shape (n,), pixels: the diameter of a disc with the area above half of the peak.

    Parameters
    ----------
    psfs : Tensor, shape (n, k, l)
    """
    fine = functional.interpolate(psfs[:, None], scale_factor=FINER, mode="bicubic")
    above = (fine > fine.amax(dim=(2, 3), keepdim=True) / 2).sum(dim=(1, 2, 3)).float()
    return 2 * (above / math.pi).sqrt() / FINER
