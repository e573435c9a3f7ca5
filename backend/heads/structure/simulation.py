"""Galaxies with known parameters: drawn from catalogues of fits, blurred by real and Gaussian PSFs, with noise.

Only size relative to the PSF, shape, index and signal-to-noise ratio matter to a measurement in pixels. Therefore index, axis
ratio and radius are drawn together from the catalogues, at one of several pixel scales, and the brightness follows from a
signal-to-noise ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.structure.parameters import logit_of_index, shape_of
from backend.heads.structure.priors import Priors
from backend.heads.structure.psf import Psf, gaussian_psf
from backend.heads.structure.render import grid_side, make_canvas, psf_transform, render
from backend.heads.structure.sersic import HIGHEST_INDEX, LOWEST_INDEX

__all__ = ["Library", "Simulated", "draw_library", "observe", "simulate"]

PIXEL_SCALES_ARCSEC = (0.03, 0.05, 0.1)
SEEINGS_PX = (1.8, 6.0)
SIGNAL_TO_NOISE = (1.0, 500.0)
REAL_PSFS = 0.6
"""Part of the galaxies with a real PSF."""
CORRELATED = 0.4
"""Part of the galaxies with correlated noise."""
FEWEST_RADIUS_PX, MOST_RADIUS_SHARE = 0.7, 0.3
MOST_NEIGHBOURS = 2
OUTLINE_SIGMA = (1.2, 3.0)
"""Brightness of the outline of a galaxy, in units of the noise of the smoothed image."""


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Galaxies without noise and with flux 1.

    Attributes
    ----------
    light : ndarray, shape (n, side, side), float16, in units of `peaks`
    peaks : ndarray, shape (n,)
    parameters : ndarray, shape (n, 8)
    psfs : tuple of Psf
    noise : ndarray
        Kernel of `Priors`.
    """

    light: NDArray[np.float16]
    peaks: NDArray[np.float64]
    parameters: NDArray[np.float64]
    psfs: tuple[Psf, ...]
    noise: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """One simulated galaxy; the noise of a pixel has the standard deviation 1.

    Attributes
    ----------
    image : ndarray, shape (side, side)
    object_mask, neighbour_mask : ndarray of bool, shape (side, side)
    psf : Psf
    parameters : ndarray, shape (8,)
        True values.
    signal_to_noise : float
        Of the galaxy's light under an optimal weight, for white noise.
    is_correlated : bool
    """

    image: NDArray[np.float32]
    object_mask: NDArray[np.bool_]
    neighbour_mask: NDArray[np.bool_]
    psf: Psf
    parameters: NDArray[np.float64]
    signal_to_noise: float
    is_correlated: bool


def simulate(
    priors: Priors,
    count: int,
    *,
    side: int,
    rng: np.random.Generator,
    signal_to_noise: tuple[float, float] = SIGNAL_TO_NOISE,
) -> list[Simulated]:
    """Simulate galaxies.

    Parameters
    ----------
    priors : Priors
    count : int
    side : int
        Of the images, pixels.
    rng : Generator
    signal_to_noise : (float, float)
        Range, even in the logarithm.
    """
    library = draw_library(priors, count, side=side, rng=rng)
    return [observe(library, rng=rng, number=number, signal_to_noise=signal_to_noise) for number in range(count)]


def draw_library(priors: Priors, count: int, *, side: int, rng: np.random.Generator) -> Library:
    """Draw parameters and PSFs, and the galaxies without noise."""
    galaxies = [_draw(priors, side, rng) for _ in range(count)]
    parameters = np.stack([parameters_of_galaxy for parameters_of_galaxy, _ in galaxies])
    light, peaks = np.empty((count, side, side), np.float16), np.empty(count)
    for number, (parameters_of_galaxy, psf) in enumerate(galaxies):
        radius = math.exp(parameters_of_galaxy[2] + math.hypot(parameters_of_galaxy[3], parameters_of_galaxy[4]))
        canvas = make_canvas(grid_side((side, side), radius), (side, side))
        model = render(
            torch.from_numpy(parameters_of_galaxy).float()[None], psf_transform(psf.pixels, canvas.side)[None], canvas
        )[0].numpy()
        peaks[number] = model.max()
        light[number] = model / peaks[number]
    return Library(light, peaks, parameters, tuple(psf for _, psf in galaxies), priors.noise)


def _draw(priors: Priors, side: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], Psf]:
    """Draw parameters with flux 1 and no sky, and a PSF."""
    psf = priors.psfs[rng.integers(len(priors.psfs))] if rng.random() < REAL_PSFS else gaussian_psf(rng.uniform(*SEEINGS_PX))
    while True:
        radius, index, ratio = priors.shapes[rng.integers(len(priors.shapes))] * np.exp(rng.normal(0, 0.05, 3))
        radius /= rng.choice(PIXEL_SCALES_ARCSEC)
        if FEWEST_RADIUS_PX < radius < MOST_RADIUS_SHARE * side and LOWEST_INDEX < index < HIGHEST_INDEX:
            break
    ratio = min(ratio, 0.99)
    centre = (side - 1) / 2 + rng.uniform(-2, 2, 2)
    shape = shape_of(ratio, rng.uniform(0, 180))
    parameters_of_galaxy = np.array([*centre, math.log(radius * math.sqrt(ratio)), *shape, logit_of_index(index), 1.0, 0.0])
    return parameters_of_galaxy, psf


def observe(
    library: Library,
    *,
    rng: np.random.Generator,
    number: int | None = None,
    signal_to_noise: tuple[float, float] = SIGNAL_TO_NOISE,
) -> Simulated:
    """Add brightness, neighbours, sky and noise to a galaxy of a library, and outline galaxy and neighbours.

    Parameters
    ----------
    library : Library
    rng : Generator
    number : int, optional
        Number of the galaxy; by default any galaxy, and its image may be mirrored.
    signal_to_noise : (float, float)
        Range, even in the logarithm.
    """
    is_mirrored = number is None and rng.random() < 0.5
    number = int(rng.integers(len(library.light))) if number is None else number
    light, parameters_of_galaxy = (
        library.light[number].astype(np.float32) * np.float32(library.peaks[number]),
        library.parameters[number].copy(),
    )
    psf, side = library.psfs[number], library.light.shape[1]
    if is_mirrored:
        light, psf = light[:, ::-1], Psf(psf.pixels[:, ::-1], psf.source)
        parameters_of_galaxy[0], parameters_of_galaxy[4] = side - 1 - parameters_of_galaxy[0], -parameters_of_galaxy[4]
    ratio = math.exp(rng.uniform(*np.log(signal_to_noise)))
    flux = ratio / math.sqrt(float((light**2).sum()))
    image = flux * light
    is_correlated = bool(rng.random() < CORRELATED)
    noise = rng.normal(size=(side + 12, side + 12))
    if is_correlated:
        noise = np.fft.irfft2(np.fft.rfft2(noise) * np.fft.rfft2(library.noise, noise.shape), noise.shape)
    parameters_of_galaxy[6:] = flux, rng.normal(0, 1)
    noisy = image + noise[12:, 12:] + parameters_of_galaxy[7]
    object_mask = _outline(noisy, parameters_of_galaxy, psf, rng)
    others, neighbour_mask = _neighbours(side, int(rng.integers(MOST_NEIGHBOURS + 1)), object_mask, flux, rng)
    observation = noisy + others
    # A pixel of both belongs to the brighter one.
    neighbour_mask &= ~object_mask | (others > image)
    return Simulated(
        observation.astype(np.float32),
        object_mask & ~neighbour_mask,
        neighbour_mask,
        psf,
        parameters_of_galaxy,
        ratio,
        is_correlated,
    )


def _outline(
    observation: NDArray[np.float64], parameters_of_galaxy: NDArray[np.float64], psf: Psf, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return the mask of a galaxy as a detector or an annotator sees it: an isophote of the smoothed image, with its noise.

    An isophote of the galaxy without noise would tell its brightness and size to the network.
    """
    smooth = ndimage.gaussian_filter(observation - np.median(observation), max(1.0, psf.fwhm_px / 2.355))
    noise = 1.4826 * float(np.median(np.abs(smooth - np.median(smooth))))
    y, x = np.mgrid[: observation.shape[0], : observation.shape[1]]
    centre = parameters_of_galaxy[:2] + rng.normal(0, 0.5, 2)
    core = np.hypot(x - centre[0], y - centre[1]) < max(psf.fwhm_px, 2.5)
    numbers, _ = ndimage.label(smooth > rng.uniform(*OUTLINE_SIGMA) * noise)
    own_numbers = np.unique(numbers[core])
    return np.asarray(np.isin(numbers, own_numbers[own_numbers > 0]) | core)


def _neighbours(
    side: int, count: int, object_mask: NDArray[np.bool_], flux: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the light of neighbours beside the galaxy and the mask of their bright pixels."""
    y, x = np.mgrid[:side, :side]
    light, mask = np.zeros((side, side)), np.zeros((side, side), bool)
    for _ in range(count):
        cx, cy, scale = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(1.5, 4)
        if object_mask[int(cy), int(cx)]:
            continue
        profile = np.exp(-np.hypot(x - cx, y - cy) / scale) / (2 * np.pi * scale**2)
        other = profile * flux * math.exp(rng.uniform(-2.5, 0.3))
        light += other
        mask |= other > 0.3
    return light, mask
