"""Tikhonov deconvolution to the target resolution, with the regularisation that the measured noise implies.

The penalty is the squared Laplacian, which leaves the total flux unchanged. Its weight minimises Stein's unbiased estimate of
the risk (SURE), which needs the noise level and no parameter. Without a PSF, the same filter only removes noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.restoration.target import embed_psfs, target_transfer

__all__ = ["PADDING_PX", "Filtered", "deconvolve", "padding_of"]

WEIGHTS = torch.logspace(-6, 5, 45)
"""Weights of the penalty from which SURE selects, relative to the squared noise level."""
STRENGTHS = (0.03, 0.3, 3.0)
"""Factors of the selected weight for the three filtered images: sharp and noisy, medium, smooth."""
PADDING_PX = 20
"""Reflected pixels on each side: deconvolution filters are local, and wrap around the border of the array."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """Deconvolved images.

    Attributes
    ----------
    images : Tensor, shape (n, 3, h, w)
        For each factor of `STRENGTHS`, at the target resolution.
    noise : Tensor, shape (n, 3)
        Standard deviation of the noise in each image.
    weight : Tensor, shape (n,)
        Selected weight of the penalty.
    """

    images: Tensor
    noise: Tensor
    weight: Tensor


def padding_of(side: int) -> tuple[NDArray[np.int64], slice]:
    """Return indices that extend an axis by reflection to an even length, and the slice of the axis itself in it."""
    after = PADDING_PX + (side % 2)
    indices = np.pad(np.arange(side), (PADDING_PX, after), mode="reflect" if side > 1 else "edge")
    return indices, slice(PADDING_PX, PADDING_PX + side)


def deconvolve(images: Tensor, psfs: Tensor | None, noise: Tensor) -> Filtered:
    """Deconvolve images to the target resolution; without PSFs, only remove noise.

    Parameters
    ----------
    images : Tensor, shape (n, h, w)
        Without sky.
    psfs : Tensor, shape (n, k, l), or None
        With unit sums. None filters the images at their own resolution.
    noise : Tensor, shape (n,)
        Standard deviation of the noise of a pixel, in the unit of the images; positive.

    References
    ----------
    Stein (1981), Annals of Statistics 9, 1135; Pesquet, Benazza-Benyahia & Chaux (2009), IEEE Trans. Signal Process. 57, 4616.
    """
    (rows, in_rows), (columns, in_columns) = padding_of(images.shape[1]), padding_of(images.shape[2])
    padded_images = images[:, rows][:, :, columns]
    shape = (len(rows), len(columns))
    spectrum = torch.fft.rfft2(padded_images)
    if psfs is None:
        transfer, target = torch.ones(1, *spectrum.shape[1:], dtype=spectrum.dtype), torch.ones(spectrum.shape[1:])
    else:
        transfer, target = embed_psfs(psfs, shape), target_transfer(shape)
    power, roughness, count = transfer.abs() ** 2, _laplacian_power(shape), _multiplicity(shape)
    weight = _select_weight(spectrum, power, roughness, noise, count)
    factors = weight[:, None] * torch.tensor(STRENGTHS)
    filters = transfer.conj()[:, None] * target / (power[:, None] + factors[:, :, None, None] * roughness)
    images_filtered = torch.fft.irfft2(filters * spectrum[:, None], s=shape)[:, :, in_rows, in_columns]
    gain = ((filters.abs() ** 2 * count).sum(dim=(2, 3)) / (shape[0] * shape[1])).sqrt()
    return Filtered(images_filtered, noise[:, None] * gain, weight)


def _select_weight(spectrum: Tensor, power: Tensor, roughness: Tensor, noise: Tensor, count: Tensor) -> Tensor:
    """Return the weight of the penalty with the lowest SURE, shape (n,)."""
    pixels = float(count.sum())
    energy = spectrum.abs() ** 2 / pixels * count
    risks = []
    for weight in WEIGHTS:
        shrunk = power / (power + weight * roughness)
        fit = (energy * (1 - shrunk) ** 2).sum(dim=(1, 2))
        freedom = (shrunk * count).sum(dim=(1, 2))
        risks.append(fit + 2 * noise**2 * freedom)
    return WEIGHTS[torch.stack(risks, dim=1).argmin(dim=1)]


def _laplacian_power(shape: tuple[int, int]) -> Tensor:
    """Return the squared transfer function of the five-point Laplacian, 1 at the highest frequency and 0 at frequency 0."""
    down, across = torch.fft.fftfreq(shape[0])[:, None], torch.fft.rfftfreq(shape[1])
    return ((4 - 2 * torch.cos(2 * torch.pi * down) - 2 * torch.cos(2 * torch.pi * across)) / 8) ** 2


def _multiplicity(shape: tuple[int, int]) -> Tensor:
    """Return how many frequencies of the whole plane each frequency of `rfft2` represents; the width is even."""
    count = torch.full((shape[0], shape[1] // 2 + 1), 2.0)
    count[:, 0] = count[:, -1] = 1.0
    return count
