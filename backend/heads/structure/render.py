"""Images of the model, a Sersic profile convolved with the PSF, and their derivatives, for many galaxies at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.structure.parameters import FLUX, INDEX, RADIUS, SKY, X, Y, index_of
from backend.heads.structure.sersic import evaluate_transform

__all__ = ["FourierGrid", "grid_side", "make_canvas", "psf_transform", "render", "render_with_derivatives"]

GRIDS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Sides of the periodic grid; products of small primes are fast."""
RADII_BETWEEN_COPIES = 8
"""Smallest distance between a galaxy's image and its periodic copy, in half-light radii."""


@dataclass(frozen=True, slots=True)
class FourierGrid:
    """Frequencies of the periodic grid on which models are drawn.

    Attributes
    ----------
    side : int
        Side of the grid, pixels.
    shape : (int, int)
        Height and width of the images that are cut from it.
    kx, ky : Tensor, shape (frequencies,)
        Radians per pixel, for the half plane of a real transform.
    """

    side: int
    shape: tuple[int, int]
    kx: Tensor
    ky: Tensor


def grid_side(shape: tuple[int, int], radius_px: float) -> int:
    """Return the side of a grid for images of `shape` (height, width) and galaxies of a half-light radius (major axis)."""
    need = max(shape) + max(16.0, RADII_BETWEEN_COPIES * radius_px)
    return next((side for side in GRIDS if side >= min(need, 2.5 * max(shape) + 16)), 2 * max(shape))


def make_canvas(side: int, shape: tuple[int, int]) -> FourierGrid:
    """Return the frequencies of a grid."""
    ky = torch.fft.fftfreq(side)[:, None] * 2 * math.pi
    kx = torch.fft.rfftfreq(side)[None] * 2 * math.pi
    return FourierGrid(side, shape, kx.expand(side, -1).flatten(), ky.expand(-1, side // 2 + 1).flatten())


def psf_transform(pixels: NDArray[np.float64], side: int) -> Tensor:
    """Return the transform of a PSF on a grid, shape (frequencies,), complex; a larger PSF wraps around."""
    half = pixels.shape[0] // 2
    grid = np.zeros((side, side))
    place = np.arange(-half, half + 1) % side
    np.add.at(grid, (place[:, None], place[None]), pixels)
    return torch.from_numpy(np.fft.rfft2(grid).astype(np.complex64)).flatten()


def render(parameters: Tensor, psfs: Tensor, canvas: FourierGrid) -> Tensor:
    """Draw models, shape (galaxies, height, width); arguments as in `render_with_derivatives`."""
    frequencies = _Frequencies.of(parameters, canvas)
    log_index, _ = index_of(parameters[:, INDEX])
    light = evaluate_transform(frequencies.log_length, log_index).value
    images = _to_images((light * _phases(parameters, canvas) * psfs)[:, None], canvas)[:, 0]
    return parameters[:, FLUX, None, None] * images + parameters[:, SKY, None, None]


def render_with_derivatives(parameters: Tensor, psfs: Tensor, canvas: FourierGrid) -> tuple[Tensor, Tensor]:
    """Draw models and their derivatives with respect to the parameters.

    Parameters
    ----------
    parameters : Tensor, shape (galaxies, 8)
        In the order of `PARAMETERS`; x and y in pixels of the image.
    psfs : Tensor, shape (galaxies, frequencies)
        From `psf_transform`.
    canvas : FourierGrid

    Returns
    -------
    (Tensor, Tensor)
        Models, shape (galaxies, height, width), and derivatives, shape (galaxies, 8, height, width).
    """
    frequencies = _Frequencies.of(parameters, canvas)
    log_index, index_slope = index_of(parameters[:, INDEX])
    light = evaluate_transform(frequencies.log_length, log_index)
    factor = _phases(parameters, canvas) * psfs
    flux = parameters[:, FLUX, None]
    value = factor * light.value
    stretch = flux * factor * light.by_log_frequency
    planes = torch.stack(
        (
            value,
            -1j * canvas.kx * flux * value,
            -1j * canvas.ky * flux * value,
            stretch,
            stretch * frequencies.by_shape_1,
            stretch * frequencies.by_shape_2,
            flux * factor * light.by_log_index * index_slope[:, None],
        ),
        1,
    )
    images = _to_images(planes, canvas)
    unit = images[:, :1]
    models = parameters[:, FLUX, None, None] * unit[:, 0] + parameters[:, SKY, None, None]
    return models, torch.cat((images[:, 1:], unit, torch.ones_like(unit)), 1)


@dataclass(frozen=True, slots=True)
class _Frequencies:
    """Logarithm of the length of the mapped frequencies times the radius, and its derivatives with respect to the shape."""

    log_length: Tensor
    by_shape_1: Tensor
    by_shape_2: Tensor

    @classmethod
    def of(cls, parameters: Tensor, canvas: FourierGrid) -> _Frequencies:
        """Map the frequencies by the shape of each galaxy: k' = exp(U) k with U = ((u1, u2), (u2, -u1))."""
        u1, u2 = parameters[:, 3:4], parameters[:, 4:5]
        size = torch.sqrt(u1**2 + u2**2 + 1e-8)
        cosh, sinh = torch.cosh(2 * size), torch.sinh(2 * size)
        ratio = sinh / size
        ratio_slope = torch.where(size < 0.05, torch.full_like(size, 8 / 3), (2 * size * cosh - sinh) / size**3)
        length = canvas.kx**2 + canvas.ky**2
        plus, cross = canvas.kx**2 - canvas.ky**2, 2 * canvas.kx * canvas.ky
        rotated_axis = u1 * plus + u2 * cross
        square = (cosh * length + ratio * rotated_axis).clamp(min=1e-12)
        log_length = torch.log(square) / 2 + parameters[:, RADIUS, None]
        common = 2 * ratio * length + ratio_slope * rotated_axis
        return cls(log_length, (u1 * common + ratio * plus) / (2 * square), (u2 * common + ratio * cross) / (2 * square))


def _phases(parameters: Tensor, canvas: FourierGrid) -> Tensor:
    angle = parameters[:, X, None] * canvas.kx + parameters[:, Y, None] * canvas.ky
    return torch.complex(torch.cos(angle), -torch.sin(angle))


def _to_images(planes: Tensor, canvas: FourierGrid) -> Tensor:
    grid = planes.reshape(*planes.shape[:-1], canvas.side, canvas.side // 2 + 1)
    height, width = canvas.shape
    images: Tensor = torch.fft.irfft2(grid, s=(canvas.side, canvas.side))
    return images[..., :height, :width]
