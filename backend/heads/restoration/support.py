"""Unbiased flux: significant structure that a restored image lacks is added from the residual of the observation.

A network that minimises the squared error shrinks faint light. Where the observation has significant starlet coefficients
(the multi-resolution support), the residual between observation and blurred restored image is moved back by gradient steps;
elsewhere it is noise and is left out (Akhaury+2024, A&A 688, A6, section 3.3).
"""

from __future__ import annotations

import torch
from torch import Tensor

from backend.heads.restoration.noise import SCALE_STD, starlet
from backend.heads.restoration.target import embed_psfs, target_transfer
from backend.heads.restoration.tikhonov import padding_of

__all__ = ["STEPS", "unbias_flux"]

SCALES = 4
LEAST_SIGNIFICANCE = (4.0, 3.0, 3.0, 3.0)
"""Coefficients of each scale are significant above this many standard deviations of their noise."""
STEPS = 6
WELL_SAMPLED = 1e-2
"""Transfer of the target PSF below which a frequency is not compared: the observation has no light there."""


def unbias_flux(restored: Tensor, images: Tensor, psfs: Tensor | None, noise: Tensor, *, steps: int = STEPS) -> Tensor:
    """Return restored images whose significant structure agrees with the observation.

    Parameters
    ----------
    restored, images : Tensor, shape (n, h, w)
        Without sky.
    psfs : Tensor, shape (n, k, l), or None
        None where only noise was removed.
    noise : Tensor, shape (n,)
        Standard deviation of the noise of a pixel.
    steps : int
        Number of gradient steps; more steps add more noise.
    """
    masks = _support(images, noise)
    (rows, in_rows), (columns, in_columns) = padding_of(images.shape[1]), padding_of(images.shape[2])
    shape = (len(rows), len(columns))
    blur = _blur(psfs, shape)

    def convolve(planes: Tensor, kernel: Tensor) -> Tensor:
        padded = planes[:, rows][:, :, columns]
        return torch.fft.irfft2(torch.fft.rfft2(padded) * kernel, s=shape)[:, in_rows, in_columns]

    for _ in range(steps):
        residual = starlet(images - convolve(restored, blur), SCALES)
        significant = torch.stack([mask * plane for mask, plane in zip(masks, residual, strict=True)]).sum(dim=0)
        restored = restored + convolve(significant, blur.conj())
    return restored


def _support(images: Tensor, noise: Tensor) -> list[Tensor]:
    """Return for each scale where the coefficients are significant; the last one is of the smooth rest."""
    planes = starlet(images, SCALES)
    masks = [
        (plane.abs() > level * std * noise[:, None, None]).float()
        for plane, level, std in zip(planes[:-1], LEAST_SIGNIFICANCE, SCALE_STD[:SCALES], strict=True)
    ]
    rest = (planes[-1] > LEAST_SIGNIFICANCE[-1] * SCALE_STD[SCALES] * noise[:, None, None]).float()
    return [*masks, rest]


def _blur(psfs: Tensor | None, shape: tuple[int, int]) -> Tensor:
    """Return the transfer function from the target resolution to that of the observation."""
    if psfs is None:
        return torch.ones(1, shape[0], shape[1] // 2 + 1, dtype=torch.complex64)
    target = target_transfer(shape)
    blur: Tensor = embed_psfs(psfs, shape) * target / (target**2 + WELL_SAMPLED**2)
    return blur / blur.abs().clamp(min=1)  # larger steps than 1 would not converge
