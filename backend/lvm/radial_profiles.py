"""Radial profiles: how brightness, colour and shape of a galaxy change with the distance from its centre.

A network that was trained on classes keeps little of colour and concentration, from which metallicities and other numbers are
predicted. Bars and arms are modes of the light along a circle, as in Ohta, Hamabe & Wakamatsu (1990), ApJ 357, 71, and
Aguerri, Beckman & Prieto (1998), AJ 116, 2136. All values are the same for a rotated or mirrored galaxy, except for resampling.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["PROFILES", "measure_profiles"]

RADII = 12
ANGLES = 48
MODES = slice(1, 5)
"""Modes of brightness along a circle: 1 is lopsided, 2 a bar or two arms."""
COLOUR_MODES = slice(1, 3)
SKY = 0.03
"""Added to a brightness by which others are divided: amplitudes of empty sky are small."""
LEAST_PRODUCT = 1e-4
"""Added to the product of two amplitudes: phases of empty sky count as unrelated."""
PROFILES = 3 * RADII + 3 * RADII + 2 * RADII + 4 * RADII + 2 * (RADII - 1) + (RADII - 2) + 2 * RADII + RADII
"""Number of values of a galaxy."""


def measure_profiles(images: Tensor) -> Tensor:
    """Measure the profiles of galaxies in `RADII` circles, from the centre to the middle of each side.

    Parameters
    ----------
    images : Tensor, shape (n, 3, side, side)
        Gamma-encoded brightness in [0, 1], red, green and blue, each galaxy in the middle.

    Returns
    -------
    Tensor, shape (n, PROFILES)
        By radius, of the square root of the brightness: mean and median of each colour; red minus blue and red minus green;
        amplitudes of the first four modes, relative to the mean; how well the second mode of neighbouring circles is aligned
        (cosine, and absolute sine, of the difference of their phases); second difference of the median; amplitudes of the first
        two modes of blue minus red; standard deviation along the circle.
    """
    circles = _sample(images.clamp(min=0).sqrt())
    brightness, means, medians = circles.mean(dim=1), circles.mean(dim=3), circles.median(dim=3).values
    modes = torch.fft.rfft(brightness, dim=2) / ANGLES
    second = modes[:, :, 2]
    pairs = second[:, 1:] * second[:, :-1].conj()
    alignment = pairs / (pairs.abs() + LEAST_PRODUCT)
    colour_modes = torch.fft.rfft(circles[:, 2] - circles[:, 0], dim=2) / ANGLES
    parts = [
        means,
        medians,
        means[:, :1] - means[:, 1:].flip(1),
        modes[:, :, MODES].abs() / (brightness.mean(dim=2, keepdim=True) + SKY),
        alignment.real,
        alignment.imag.abs(),
        medians.mean(dim=1).diff(n=2, dim=1),
        colour_modes[:, :, COLOUR_MODES].abs(),
        brightness.std(dim=2),
    ]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def _sample(images: Tensor) -> Tensor:
    """Return images along circles, shape (n, 3, RADII, ANGLES); smoothed, so that no light falls between two circles."""
    side = images.shape[-1]
    width = side // (2 * RADII)
    width += 1 - width % 2
    smooth_images = functional.avg_pool2d(images, width, 1, width // 2, count_include_pad=False)
    radii = (torch.arange(RADII) + 0.5)[:, None] / RADII
    angles = torch.arange(ANGLES) / ANGLES * 2 * math.pi
    points = torch.stack([radii * torch.cos(angles), radii * torch.sin(angles)], dim=-1)
    return functional.grid_sample(smooth_images, points.expand(len(images), -1, -1, -1), align_corners=False)
