"""Level of the sky and noise of images, and the starlet transform that separates structure of different sizes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["SCALE_STD", "measure_noise", "starlet"]

SCALE_STD = (0.8908, 0.2007, 0.0856, 0.0413, 0.0205)
"""Standard deviation of white noise of unit variance in the starlet coefficients of each scale (Starck & Murtagh 2006)."""
SPLINE = (1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16)
SIGMA_PER_DEVIATION = 1.4826


def starlet(images: Tensor, scales: int) -> list[Tensor]:
    """Return the starlet coefficients of images, from the finest scale to the smooth rest; their sum is the image.

    Parameters
    ----------
    images : Tensor, shape (n, h, w)
    scales : int
        Number of scales of details; the result has one more element.

    References
    ----------
    Starck, Fadili & Murtagh (2007), IEEE Trans. Image Process. 16, 297.
    """
    planes, smooth = [], images[:, None]
    for scale in range(scales):
        coarser = _smooth(smooth, 1 << scale)
        planes.append((smooth - coarser)[:, 0])
        smooth = coarser
    return [*planes, smooth[:, 0]]


def measure_noise(images: Tensor, *, valid: Tensor | None = None) -> Tensor:
    """Return the standard deviation of the noise of a pixel, shape (n,), from the two finest starlet scales.

    The median absolute deviation ignores galaxies, which cover few pixels or have little structure on these scales. The larger
    of both values is taken: resampled images have correlated noise, which is weak on the finest scale.

    Parameters
    ----------
    images : Tensor, shape (n, h, w)
        Finite.
    valid : Tensor of bool, shape (n, h, w), optional
        False for filled pixels, which have no noise; their neighbours are left out, too.
    """
    is_used = torch.ones_like(images) if valid is None else -functional.max_pool2d(-valid.float(), 5, stride=1, padding=2)
    estimates = []
    for details, std in zip(starlet(images, 2)[:2], SCALE_STD[:2], strict=True):
        values = torch.where(is_used > 0, details, torch.nan).flatten(1)
        deviation = (values - values.nanmedian(dim=1, keepdim=True).values).abs().nanmedian(dim=1).values
        estimates.append(SIGMA_PER_DEVIATION * deviation / std)
    return torch.maximum(*estimates)


def _smooth(images: Tensor, step: int) -> Tensor:
    """Convolve with the B3 spline whose taps are `step` pixels apart, with reflected borders."""
    reach = 2 * step
    kernel = images.new_tensor(SPLINE)
    height, width = images.shape[2:]
    rows, columns = _reflect(height, reach), _reflect(width, reach)
    down = functional.conv2d(images[:, :, rows], kernel.view(1, 1, 5, 1), dilation=(step, 1))
    return functional.conv2d(down[:, :, :, columns], kernel.view(1, 1, 1, 5), dilation=(1, step))


def _reflect(side: int, reach: int) -> Tensor:
    """Return indices that extend an axis by reflection, also if it is shorter than `reach`."""
    period = max(1, 2 * (side - 1))
    index = torch.arange(-reach, side + reach).remainder(period)
    return torch.where(index < side, index, period - index)
