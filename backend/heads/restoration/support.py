"""Unbiased flux: significant structure that a restored image lacks is added from the residual of the observation.

A network that minimises the squared error shrinks faint light. Where the observation has significant starlet coefficients
(the multi-resolution support), the residual between observation and blurred restored image is moved back by gradient steps;
elsewhere it is noise and is left out (Akhaury+2024, A&A 688, A6). On coarse scales the support are the sources as a whole.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from backend.heads.restoration.noise import SCALE_STD, starlet
from backend.heads.restoration.target import embed_psfs, target_transfer
from backend.heads.restoration.tikhonov import padding_of

__all__ = ["STEPS", "unbias_flux"]

SCALES = 4
LEAST_SIGNIFICANCE = (4.0, 3.0, 3.0)
"""Coefficients of the fine scales are significant above this many standard deviations of their noise."""
FINE_SCALES, FIRST_OF_SOURCES, SOURCE_SIGNIFICANCE, MARGIN_PX = 3, 2, 5.0, 3
"""Number of fine scales; first scale that detects sources, its significance, and the margin around sources."""
STEPS, FURTHER_STEPS, LEAST_RESIDUAL = 1, 12, 4.0
"""Steps that move the whole residual of the support, further ones, and the significance of what these move."""
WELL_SAMPLED = 1e-2
"""Transfer of the target PSF below which a frequency is not compared: the observation has no light there."""


def unbias_flux(restoration: Tensor, images: Tensor, psfs: Tensor | None, noise: Tensor, *, steps: int = STEPS) -> Tensor:
    """Return restored images whose significant structure agrees with the observation.

    Parameters
    ----------
    restoration, images : Tensor, shape (n, h, w)
        Without sky.
    psfs : Tensor, shape (n, k, l), or None
        None where only noise was removed.
    noise : Tensor, shape (n,)
        Standard deviation of the noise of a pixel.
    steps : int
        Number of steps that move the whole residual of the support; more steps add more noise.
    """
    masks = _support(images, noise)
    (rows, in_rows), (columns, in_columns) = padding_of(images.shape[1]), padding_of(images.shape[2])
    shape = (len(rows), len(columns))
    blur = _blur(psfs, shape)

    def convolve(planes: Tensor, kernel: Tensor) -> Tensor:
        padded_planes = planes[:, rows][:, :, columns]
        convolution: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded_planes) * kernel, s=shape)
        return convolution[:, in_rows, in_columns]

    levels = [LEAST_RESIDUAL * std * noise[:, None, None] for std in SCALE_STD]
    for step in range(steps + FURTHER_STEPS):
        residual = starlet(images - convolve(restoration, blur), SCALES)
        steps_of_planes = [mask * plane for mask, plane in zip(masks, residual, strict=True)]
        if step >= steps:  # only what noise cannot explain: very bright sources need many steps
            steps_of_planes = [
                torch.where(plane.abs() > level, plane, 0.0) for plane, level in zip(steps_of_planes, levels, strict=True)
            ]
            if not any(plane.any() for plane in steps_of_planes):
                break
        restoration = restoration + convolve(torch.stack(steps_of_planes).sum(dim=0), blur.conj())
    return restoration


def _support(images: Tensor, noise: Tensor) -> list[Tensor]:
    """Return the support of each scale and of the smooth rest, shapes (n, h, w).

    The fine scales have the significant coefficients in sources and around them. The coarse ones have all pixels there: faint
    wings are nowhere significant, and carry light. Elsewhere, peaks of the noise would become sources.
    """
    planes = starlet(images, SCALES)
    stds = [std * noise[:, None, None] for std in SCALE_STD]
    sources = torch.stack(
        [
            (plane > SOURCE_SIGNIFICANCE * std).float()
            for plane, std in zip(planes[FIRST_OF_SOURCES:], stds[FIRST_OF_SOURCES:], strict=True)
        ]
    ).amax(dim=0)
    around = functional.max_pool2d(sources[:, None], 2 * MARGIN_PX + 1, stride=1, padding=MARGIN_PX)[:, 0]
    fine = [
        around * (plane.abs() > level * std)
        for plane, level, std in zip(planes[:FINE_SCALES], LEAST_SIGNIFICANCE, stds[:FINE_SCALES], strict=True)
    ]
    return [*fine, *(around for _ in planes[FINE_SCALES:])]


def _blur(psfs: Tensor | None, shape: tuple[int, int]) -> Tensor:
    """Return the transfer function from the target resolution to that of the observation."""
    if psfs is None:
        return torch.ones(1, shape[0], shape[1] // 2 + 1, dtype=torch.complex64)
    target = target_transfer(shape)
    blur: Tensor = embed_psfs(psfs, shape) * target / (target**2 + WELL_SAMPLED**2)
    return blur / blur.abs().clamp(min=1)  # larger steps than 1 would not converge
