"""The Fourier transform of a Sersic profile, and its derivatives.

A profile with a cusp cannot be sampled at the middles of pixels: for an index of 4, pixels near the centre would need hundreds
of samples. In Fourier space the convolution with the PSF is a product, and the cusp is only a slow fall-off. The transform of a
round profile of half-light radius 1 depends on one number besides the index. It is tabulated once, by a fast Hankel transform
(Hamilton 2000, MNRAS 312, 257), for indices from 0.2 to 8. Any size, axis ratio and position angle are a linear map of the
frequencies. GalSim (Rowe et al. 2015) draws Sersic profiles in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from scipy import fft, special
from torch import Tensor

__all__ = ["HIGHEST_INDEX", "LOWEST_INDEX", "Transform", "evaluate_transform", "intensity_scale", "light_scale"]

LOWEST_INDEX, HIGHEST_INDEX = 0.2, 8.0
INDICES = 80
FREQUENCIES = 640
LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 1e-5, 3e3
"""Range of the table, in radians per half-light radius; the transform is 1 below it and 0 above."""
HANKEL_SAMPLES = 4096
HANKEL_RANGE = np.log(1e9)
HANKEL_BIAS = -0.5
"""Exponent of the power law that the Hankel transform takes out; with it, an exponential profile is exact to 1e-9."""


@dataclass(frozen=True, slots=True)
class Transform:
    """The transform and its derivatives at each frequency, shape (galaxies, frequencies).

    Attributes
    ----------
    value : Tensor
        1 at frequency 0.
    by_log_frequency, by_log_index : Tensor
        Derivatives with respect to the natural logarithm of frequency times radius, and of the index.
    """

    value: Tensor
    by_log_frequency: Tensor
    by_log_index: Tensor


def light_scale(index: float) -> float:
    """Return b of the Sersic law exp(-b (r/R)^(1/n)): R holds half of the light (Ciotti 1991)."""
    return float(special.gammaincinv(2 * index, 0.5))


def intensity_scale(index: float) -> float:
    """Return the central intensity of a round profile of half-light radius 1 and total light 1."""
    b = light_scale(index)
    return float(b ** (2 * index) / (2 * np.pi * index * special.gamma(2 * index)))


def evaluate_transform(log_frequency: Tensor, log_index: Tensor) -> Transform:
    """Interpolate the table, with cubic polynomials on both axes.

    Parameters
    ----------
    log_frequency : Tensor, shape (galaxies, frequencies)
        Natural logarithm of the length of the frequency times the half-light radius.
    log_index : Tensor, shape (galaxies,)
        Natural logarithm of the index.
    """
    table = _table()
    step = (np.log(HIGHEST_INDEX) - np.log(LOWEST_INDEX)) / (INDICES - 1)
    place = ((log_index - float(np.log(LOWEST_INDEX))) / step).clamp(0, INDICES - 1)
    row = place.floor().clamp(1, INDICES - 3)
    rows = table[row.long()[:, None] + torch.arange(-1, 3)]
    weights, slopes = _cubic(place - row)
    value = _weigh(weights, rows)
    slope = _weigh(slopes, rows) / step
    pace = (np.log(HIGHEST_FREQUENCY) - np.log(LOWEST_FREQUENCY)) / (FREQUENCIES - 1)
    column = ((log_frequency - float(np.log(LOWEST_FREQUENCY))) / pace).clamp(0, FREQUENCIES - 1)
    first = column.floor().clamp(1, FREQUENCIES - 3)
    near, tilt = _cubic(column - first)
    index = first.long() - 1
    total, by_frequency, by_index = (torch.zeros_like(column) for _ in range(3))
    for tap in range(4):
        values = value.gather(1, index + tap)
        total.addcmul_(near[tap], values)
        by_frequency.addcmul_(tilt[tap], values)
        by_index.addcmul_(near[tap], slope.gather(1, index + tap))
    return Transform(total, by_frequency / pace, by_index)


def _cubic(t: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return weights and derivatives of the cubic polynomial through the values at -1, 0, 1 and 2."""
    square = t * t
    cube = square * t
    return (
        (3 * square - cube - 2 * t) / 6,
        (cube - 2 * square - t) / 2 + 1,
        (square - cube) / 2 + t,
        (cube - t) / 6,
    ), (
        t - square / 2 - 1 / 3,
        1.5 * square - 2 * t - 0.5,
        t - 1.5 * square + 1,
        square / 2 - 1 / 6,
    )


def _weigh(weights: tuple[Tensor, ...], rows: Tensor) -> Tensor:
    return (torch.stack(weights, 1)[..., None] * rows).sum(1)


@cache
def _table() -> Tensor:
    """Return the transform by index and frequency, shape (`INDICES`, `FREQUENCIES`), both evenly spaced in the logarithm."""
    log_radius = np.linspace(-HANKEL_RANGE, HANKEL_RANGE, HANKEL_SAMPLES)
    radius, step = np.exp(log_radius), log_radius[1] - log_radius[0]
    offset = fft.fhtoffset(step, mu=0, initial=0, bias=HANKEL_BIAS)
    log_frequency = offset - log_radius[::-1]
    log_frequencies = np.linspace(np.log(LOWEST_FREQUENCY), np.log(HIGHEST_FREQUENCY), FREQUENCIES)
    rows = []
    for index in np.geomspace(LOWEST_INDEX, HIGHEST_INDEX, INDICES):
        with np.errstate(over="ignore"):  # far outside a steep profile, the exponent is -infinity and the light 0
            light = intensity_scale(index) * np.exp(-light_scale(index) * radius ** (1 / index))
        transform = fft.fht(2 * np.pi * radius * light, step, mu=0, offset=offset, bias=HANKEL_BIAS) / np.exp(log_frequency)
        rows.append(np.interp(log_frequencies, log_frequency, transform))
    return torch.from_numpy(np.array(rows)).float()
