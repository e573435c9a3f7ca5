"""Galaxies with known parameters: drawn from catalogues of fits, blurred by real and Gaussian PSFs, with noise.

Only size relative to the PSF, shape, index and signal-to-noise ratio matter to a measurement in pixels. Therefore index, axis
ratio and radius are drawn together from the catalogues, at one of several pixel scales, and the brightness follows from a
signal-to-noise ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from backend.heads.structure.parameters import logit_of_index, shape_of
from backend.heads.structure.psf import Psf, gaussian_psf, make_psf
from backend.heads.structure.render import grid_side, make_canvas, psf_transform, render
from backend.heads.structure.sersic import HIGHEST_INDEX, LOWEST_INDEX

__all__ = ["Priors", "Simulated", "noise_kernel", "read_priors", "simulate"]

PIXEL_SCALES_ARCSEC = (0.03, 0.05, 0.1)
SEEINGS_PX = (1.8, 6.0)
SIGNAL_TO_NOISE = (1.0, 500.0)
REAL_PSFS = 0.6
"""Part of the galaxies with a real PSF."""
CORRELATED = 0.4
"""Part of the galaxies with correlated noise."""
FEWEST_RADIUS_PX, MOST_RADIUS_SHARE = 0.7, 0.3
MOST_NEIGHBOURS = 2
HELD_OUT_EVERY = 5
"""Each fifth row of the catalogues and each fifth PSF is held out."""


@dataclass(frozen=True, slots=True, eq=False)
class Priors:
    """What simulations are drawn from.

    Attributes
    ----------
    shapes : ndarray, shape (n, 3)
        Half-light radius (semi-major axis, arcsec), index, axis ratio.
    psfs : tuple of Psf
    noise : ndarray, shape (k, k)
        Kernel that correlates white noise; the sum of its squares is 1.
    """

    shapes: NDArray[np.float64]
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


def read_priors(folder: Path, *, held_out: bool) -> Priors:
    """Read the catalogues of a folder: `galsim_cosmos_*.csv`, `vanderwel14_*.csv.gz`, PSFs and the noise correlation.

    Parameters
    ----------
    folder : Path
    held_out : bool
        Whether to return each fifth row and PSF, or all others.
    """
    tables = []
    for path in sorted(folder.glob("*.csv*")):
        table = Table.read(path, format="ascii.csv")
        if "flag" in table.colnames:
            good = np.asarray(table["flag"]) == 0
            tables.append(np.stack([np.asarray(table[name], float)[good] for name in ("re_arcsec", "n", "q")], axis=1))
        else:
            names = ("sersic_re_major_arcsec", "sersic_n", "sersic_q")
            # A few hundred fits in the optical stand against tens of thousands in the near infrared.
            tables.append(np.repeat(np.stack([np.asarray(table[name], float) for name in names], axis=1), 10, axis=0))
    shapes = np.concatenate(tables)
    shapes = shapes[np.isfinite(shapes).all(axis=1) & (shapes > 0).all(axis=1)]
    # Indices at the limits of a catalogue's fit are failures and not measurements.
    shapes = shapes[(shapes[:, 1] > 0.25) & (shapes[:, 1] < 7.0) & (shapes[:, 2] > 0.05)]
    _, first = np.unique(shapes, axis=0, return_inverse=True)
    shapes = shapes[(first % HELD_OUT_EVERY == 0) == held_out]
    with fits.open(folder / "hst_acs_f814w_psfs_100.fits") as file:
        psfs = [make_psf(part.data) for number, part in enumerate(file) if (number % HELD_OUT_EVERY == 0) == held_out]
    return Priors(shapes, tuple(psfs), noise_kernel(fits.getdata(folder / "acs_I_unrot_sci_20_cf.fits")))


def noise_kernel(correlation: NDArray[np.floating], *, reach: int = 6) -> NDArray[np.float64]:
    """Return the kernel that gives white noise a correlation, shape (2 `reach` + 1, 2 `reach` + 1)."""
    half = correlation.shape[0] // 2
    near = np.asarray(correlation, float)[half - 2 * reach : half + 2 * reach + 1, half - 2 * reach : half + 2 * reach + 1]
    power = np.fft.fft2(np.fft.ifftshift(near)).real.clip(0)
    kernel = np.fft.fftshift(np.fft.ifft2(np.sqrt(power)).real)[reach : 3 * reach + 1, reach : 3 * reach + 1]
    return np.asarray(kernel / np.sqrt((kernel**2).sum()), np.float64)


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
    drawn = [_draw(priors, side, rng) for _ in range(count)]
    canvas = make_canvas(grid_side((side, side), MOST_RADIUS_SHARE * side), (side, side))
    psfs = torch.stack([psf_transform(psf.pixels, canvas.side) for _, _, psf in drawn])
    objects = render(torch.from_numpy(np.stack([own for own, _, _ in drawn])).float(), psfs, canvas).numpy()
    return [
        _observe(objects[number], own, neighbours, psf, rng=rng, priors=priors, signal_to_noise=signal_to_noise)
        for number, (own, neighbours, psf) in enumerate(drawn)
    ]


def _draw(priors: Priors, side: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], int, Psf]:
    """Draw parameters with flux 1 and no sky, a number of neighbours and a PSF."""
    psf = priors.psfs[rng.integers(len(priors.psfs))] if rng.random() < REAL_PSFS else gaussian_psf(rng.uniform(*SEEINGS_PX))
    while True:
        radius, index, ratio = priors.shapes[rng.integers(len(priors.shapes))] * np.exp(rng.normal(0, 0.05, 3))
        radius /= rng.choice(PIXEL_SCALES_ARCSEC)
        if FEWEST_RADIUS_PX < radius < MOST_RADIUS_SHARE * side and LOWEST_INDEX < index < HIGHEST_INDEX:
            break
    ratio = min(ratio, 0.99)
    centre = (side - 1) / 2 + rng.uniform(-2, 2, 2)
    shape = shape_of(ratio, rng.uniform(0, 180))
    own = np.array([*centre, math.log(radius * math.sqrt(ratio)), *shape, logit_of_index(index), 1.0, 0.0])
    return own, int(rng.integers(MOST_NEIGHBOURS + 1)), psf


def _observe(
    light: NDArray[np.float32],
    own: NDArray[np.float64],
    neighbours: int,
    psf: Psf,
    *,
    rng: np.random.Generator,
    priors: Priors,
    signal_to_noise: tuple[float, float],
) -> Simulated:
    """Add brightness, neighbours, sky and noise, and outline galaxy and neighbours."""
    side = light.shape[0]
    ratio = math.exp(rng.uniform(*np.log(signal_to_noise)))
    flux = ratio / math.sqrt(float((light**2).sum()))
    image = flux * light
    is_correlated = bool(rng.random() < CORRELATED)
    noise = rng.normal(size=(side + 12, side + 12))
    if is_correlated:
        kernel = np.fft.rfft2(priors.noise, noise.shape)
        noise = np.fft.irfft2(np.fft.rfft2(noise) * kernel, noise.shape)
    object_mask = _outline(image, own, psf)
    others, neighbour_mask = _neighbours(side, neighbours, object_mask, flux, rng)
    sky = rng.normal(0, 1)
    observed = image + others + noise[6 : 6 + side, 6 : 6 + side] + sky
    parameters = own.copy()
    parameters[6:] = flux, sky
    return Simulated(
        observed.astype(np.float32), object_mask, neighbour_mask & ~object_mask, psf, parameters, ratio, is_correlated
    )


def _outline(image: NDArray[np.float32], own: NDArray[np.float64], psf: Psf) -> NDArray[np.bool_]:
    """Return the mask that an annotator would draw: the isophote of the noise, but at least two widths of the PSF wide."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    distance = np.hypot(x - own[0], y - own[1])
    core = distance < max(1.0 * psf.fwhm_px, 2.5, 0.7 * math.exp(own[2]))
    return np.asarray((image > 0.7) | core)


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
