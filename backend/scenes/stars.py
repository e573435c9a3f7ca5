"""Simulated stars, the negative examples of the galaxy detector: from faint ones to saturated ones with haloes and spikes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.scenes.stamp import Stamp, centred_grid, rotate

__all__ = ["draw_point_source", "draw_star"]

FAINTEST, BRIGHTEST = 0.03, 300.0
COUNT_SLOPE = 0.7
"""Slope of log(number of stars brighter than a flux) against -log(flux), as in the SDSS frames."""
WELL = 60.0
"""Saturation level of each band of a pixel, light; a saturated core is white."""
SPIKES_ABOVE = 30.0
HALF_PX = 12
SPIKED_HALF_PX = 90
MOFFAT_POWER = 3.0
LARGEST_STAR_HALF_PX = 110
SPIKED_SHARE = 0.7
"""Share of the bright stars of survey scenes that have spikes."""
TURNED_SHARE = 0.5
"""Share of the stars of deep fields whose spikes lie at another angle in each band."""


def draw_star(rng: np.random.Generator, *, psf: float) -> Stamp:
    """Simulate a star with a point spread function whose core has the standard deviation `psf`, pixels."""
    peak = min(FAINTEST * rng.random() ** (-1 / COUNT_SLOPE), BRIGHTEST)
    has_spikes = peak > SPIKES_ABOVE
    half = SPIKED_HALF_PX if has_spikes else HALF_PX + math.ceil(4 * math.log10(1 + peak / FAINTEST))
    shift = (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5))
    x, y = centred_grid(half, shift=shift)
    squares = x**2 + y**2
    # The wings of a real point spread function fall as a power law; a stretched Gaussian alone has a hard edge.
    shape = np.float32(0.9) * np.exp(-squares / np.float32(2 * psf**2))
    shape = shape + np.float32(0.1) * (1 + squares / np.float32(6 * psf**2)) ** np.float32(-MOFFAT_POWER)
    if has_spikes:
        along, across = rotate(x, y, rng.normal(0, 0.03))
        for a, b in ((along, across), (across, along)):
            shape = shape + np.float32(rng.uniform(2e-4, 2e-3)) * np.exp(
                -np.abs(a) / np.float32(12 * psf) - b**2 / np.float32(psf**2)
            )
        shape = shape + np.float32(rng.uniform(2e-4, 1e-3)) * np.exp(-np.sqrt(squares) / np.float32(9 * psf))
    redness = rng.uniform(-0.35, 0.75) if rng.random() < 0.9 else rng.uniform(0.7, 1.2)
    colour = np.exp(np.asarray([0.45 * redness, 0.0, -0.75 * redness]))
    light = np.float32(peak) * shape[..., None] * (colour / colour.mean()).astype(np.float32)
    return Stamp(np.minimum(light, np.float32(WELL)).astype(np.float32), (half + shift[0], half + shift[1]))


def draw_point_source(
    rng: np.random.Generator, psf: NDArray[np.float32], *, fwhm: float, peak: float, spikes_turn: bool = False
) -> Stamp:
    """Simulate a star of a survey scene: the point spread function, and a halo and spikes if it is bright.

    Parameters
    ----------
    rng : Generator
    psf : ndarray, shape (k, k), k odd
    fwhm : float
        FWHM of the point spread function, pixels.
    peak : float
        Light of the brightest pixel, before it is limited to `WELL`.
    spikes_turn : bool
        Whether the spikes may lie at another angle in each band.
    """
    reach = len(psf) // 2
    half = max(reach, min(math.ceil(fwhm * (2 + 3 * math.sqrt(peak))), LARGEST_STAR_HALF_PX))
    shift = (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5))
    core = ndimage.shift(np.pad(psf, half - reach), shift[::-1], order=1) / np.float32(psf.max())
    x, y = centred_grid(half, shift=shift)
    squares = x**2 + y**2
    halo = np.float32(rng.uniform(1e-3, 6e-3)) * (1 + squares / np.float32((2 * fwhm) ** 2)) ** np.float32(
        -rng.uniform(1.1, 1.6)
    )
    shape = np.repeat((core + halo)[..., None], 3, axis=2)
    if peak > SPIKES_ABOVE / 3 and rng.random() < SPIKED_SHARE:
        angle, strength = rng.uniform(0, math.pi / 2), rng.uniform(1e-3, 6e-3)
        lengths = [half / rng.uniform(2.5, 5) for _ in range(2)]
        angles = angle + rng.uniform(0, math.pi / 2, 3) * (rng.random() < TURNED_SHARE) if spikes_turn else [angle] * 3
        for band, turn in enumerate(angles):
            for line, length in zip((rotate(x, y, turn), rotate(x, y, turn)[::-1]), lengths, strict=True):
                along, across = line
                shape[..., band] += np.float32(strength) * np.exp(
                    -np.abs(along) / np.float32(length) - across**2 / np.float32(0.4 * fwhm**2)
                )
    edge = np.clip((half - np.sqrt(squares)) / np.float32(0.2 * half), 0, 1)  # no hard edge
    colour = np.exp(np.asarray([0.45, 0.0, -0.75]) * rng.uniform(-0.5, 0.8))
    light = np.float32(peak) * (shape * edge[..., None]) * (colour / colour.mean()).astype(np.float32)
    return Stamp(np.minimum(light, np.float32(WELL)).astype(np.float32), (half + shift[0], half + shift[1]))
