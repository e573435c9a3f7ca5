"""Surveys of survey scenes: pixel scale, seeing, depth and stretch, and the point spread functions that follow from them.

The depths are approximate: the surface brightness of one standard deviation of the sky in a pixel, in the band named, from the
published 5 sigma depth of a point source and the seeing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["SURVEYS", "Survey", "draw_psf", "fwhm_of"]

MOFFAT_POWERS = (2.5, 4.5)
LARGEST_ELLIPTICITY = 0.08
REACH_FWHM = 4.0
"""Half the side of the image of a point spread function, in units of its FWHM."""
SUBPIXELS = 3


@dataclass(frozen=True, slots=True)
class Survey:
    """How a survey images the sky, and how its pictures are stretched.

    Attributes
    ----------
    name : str
    pixel_arcsec : float
        Side of a pixel.
    seeing_arcsec : (float, float)
        Range of the FWHM of the point spread function.
    noise_mag : float
        Surface brightness of one standard deviation of the sky in a pixel, mag/arcsec^2.
    noise : (float, float)
        Range of that standard deviation in the picture, as a fraction of the brightest grey level.
    softening : (float, float)
        Range of Q of the stretch asinh(Q I) / Q.
    correlation_px : (float, float)
        Range of the standard deviation of the Gaussian that correlates the noise; below 0.2, the noise is white.
    is_space : bool
        Whether the point spread function is that of a space telescope.
    """

    name: str
    pixel_arcsec: float
    seeing_arcsec: tuple[float, float]
    noise_mag: float
    noise: tuple[float, float]
    softening: tuple[float, float]
    correlation_px: tuple[float, float] = (0.0, 0.0)
    is_space: bool = False


SURVEYS = (
    Survey("SDSS r", 0.396, (1.1, 1.6), 24.5, (0.006, 0.016), (7.0, 9.0)),
    Survey("DESI Legacy Surveys r", 0.262, (1.0, 1.6), 24.8, (0.008, 0.025), (4.0, 6.0)),
    Survey("KiDS r", 0.2, (0.6, 0.9), 25.6, (0.008, 0.025), (5.0, 9.0), (0.0, 0.6)),
    Survey("HSC i", 0.168, (0.5, 0.8), 25.9, (0.008, 0.025), (6.0, 10.0), (0.0, 0.7)),
    Survey("HST/ACS F814W", 0.05, (0.09, 0.12), 23.9, (0.008, 0.03), (5.0, 10.0), (0.4, 0.8), is_space=True),
)


def draw_psf(
    rng: np.random.Generator, survey: Survey, *, measured_psfs: Sequence[NDArray[np.float64]] = ()
) -> tuple[NDArray[np.float32], float]:
    """Draw a point spread function of a survey.

    Parameters
    ----------
    rng : Generator
    survey : Survey
    measured_psfs : sequence of ndarray, shape (k, k)
        Measured point spread functions of HST/ACS, one of which is returned for a space telescope.

    Returns
    -------
    pixels : ndarray of float32, shape (k, k), k odd
        Sum 1, centred on the middle pixel.
    fwhm : float
        Pixels.
    """
    fwhm = math.exp(rng.uniform(*np.log(survey.seeing_arcsec))) / survey.pixel_arcsec
    angle, ellipticity, power = rng.uniform(0, math.pi), rng.uniform(0, LARGEST_ELLIPTICITY), rng.uniform(*MOFFAT_POWERS)
    if survey.is_space and measured_psfs:
        pixels = np.rot90(measured_psfs[int(rng.integers(len(measured_psfs)))], int(rng.integers(4))).astype(np.float32)
        return pixels / pixels.sum(), fwhm_of(pixels)
    half = math.ceil(REACH_FWHM * fwhm)
    line = (np.arange((2 * half + 1) * SUBPIXELS) + 0.5) / SUBPIXELS - half - 0.5
    along = line[None] * math.cos(angle) + line[:, None] * math.sin(angle)
    across = (line[:, None] * math.cos(angle) - line[None] * math.sin(angle)) / (1 - ellipticity)
    if survey.is_space:  # a narrow core with broad, faint wings
        squares = (along**2 + across**2) * (4 * math.log(2) / fwhm**2)
        fine = np.exp(-squares) + 0.02 * (1 + squares / 4) ** -1.5
    else:
        width = fwhm / (2 * math.sqrt(2 ** (1 / power) - 1))
        fine = (1 + (along**2 + across**2) / width**2) ** -power
    side = 2 * half + 1
    pixels = fine.reshape(side, SUBPIXELS, side, SUBPIXELS).mean(axis=(1, 3)).astype(np.float32)
    return pixels / pixels.sum(), fwhm


def fwhm_of(psf: NDArray[np.floating]) -> float:
    """Return the FWHM of a point spread function, pixels: the diameter of a circle with the area above half of the peak."""
    fine = ndimage.zoom(np.asarray(psf, float), 5, order=3)
    return 2 * math.sqrt(float((fine > fine.max() / 2).sum()) / 25 / math.pi)
