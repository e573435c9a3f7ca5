"""The point spread function of the stars in an image: selection of stars, and their effective PSF.

Stars are the sources of one common, small size that are bright, neither saturated nor blended. photutils builds their effective
PSF (Anderson & King 2000, PASP 112, 1360).
"""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray

from backend.heads.structure.psf import Psf, PsfError, make_psf

__all__ = ["psf_from_stars"]

FEWEST_STARS = 5
MOST_STARS = 60
DETECTION_SIGMA = 5.0
LEAST_SIGNAL_TO_NOISE = 40.0
SAME_SIZE = 0.12
"""Largest relative difference of the half-light radius of a star to that of the others."""
ROUNDEST = 0.75
SATURATED_SHARE = 0.8
"""Sources whose peak is above this share of the brightest pixel of the image are left out: they may be saturated."""


def psf_from_stars(image: NDArray[np.floating], *, half_size_px: int | None = None) -> Psf:
    """Build the PSF from the stars of an image.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Linear pixel values; NaN = no data.
    half_size_px : int, optional
        Half of the side of the PSF; by default six half-light radii of the stars.

    Raises
    ------
    PsfError
        If fewer than `FEWEST_STARS` stars are found, or their images do not give a PSF.
    """
    invalid = ~np.isfinite(image)
    if invalid.all():
        raise PsfError("the image has no valid pixel, and no stars for a PSF")
    pixels = np.ascontiguousarray(np.where(invalid, np.median(image[~invalid]), image), dtype=np.float32)
    background = sep.Background(pixels, mask=invalid)
    level = pixels - background.back()
    places, radius = _stars(level, invalid, float(background.globalrms))
    half = half_size_px if half_size_px is not None else max(6, round(6 * radius))
    height, width = level.shape
    inside = (places >= half + 1).all(axis=1) & (places < np.array([width, height]) - half - 1).all(axis=1)
    if inside.sum() < FEWEST_STARS:
        raise PsfError(f"the image has {inside.sum()} bright, isolated stars, and a PSF needs {FEWEST_STARS}")
    return make_psf(_effective_psf(np.where(invalid, np.nan, level), places[inside][:MOST_STARS], 2 * half + 1), "stars")


def _stars(level: NDArray[np.float32], invalid: NDArray[np.bool_], noise: float) -> tuple[NDArray[np.float64], float]:
    """Return the places (n, 2) of stars, brightest first, and their half-light radius in pixels."""
    sources = sep.extract(level, DETECTION_SIGMA, err=noise, mask=invalid, minarea=5)
    clean = (sources["flag"] == 0) & (sources["b"] > ROUNDEST * sources["a"])
    clean &= sources["flux"] > LEAST_SIGNAL_TO_NOISE * noise * np.sqrt(sources["npix"])
    clean &= sources["peak"] < SATURATED_SHARE * float(level[~invalid].max())
    sources = sources[clean]
    if len(sources) < FEWEST_STARS:
        raise PsfError(f"the image has {len(sources)} bright, round sources, and a PSF needs {FEWEST_STARS} stars")
    radii, flags = sep.flux_radius(level, sources["x"], sources["y"], 6 * sources["a"], 0.5, normflux=None, subpix=5)
    usable = (flags == 0) & np.isfinite(radii) & (radii > 0)
    # Stars have the smallest size; galaxies are larger and have no common one. The densest narrow range of sizes is the stars'.
    sorted_radii = np.sort(radii[usable])
    counts = np.searchsorted(sorted_radii, sorted_radii * (1 + 2 * SAME_SIZE), "right") - np.arange(len(sorted_radii))
    if not len(counts) or counts.max() < FEWEST_STARS:
        raise PsfError(f"the bright, round sources of the image have no common size: no {FEWEST_STARS} of them are stars")
    first = int(counts.argmax())
    radius = float(np.median(sorted_radii[first : first + int(counts[first])]))
    is_star = usable & (np.abs(radii / radius - 1) < SAME_SIZE)
    bright = np.argsort(-sources["flux"][is_star])
    return np.stack([sources["x"][is_star], sources["y"][is_star]], axis=1)[bright], radius


def _effective_psf(level: NDArray[np.floating], places: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    from astropy.nddata import NDData
    from astropy.table import Table
    from photutils.psf import EPSFBuilder, extract_stars

    stars = extract_stars(NDData(level), Table(places, names=("x", "y")), size=side)
    try:
        # Without a smoothing kernel: photutils' kernels are made for oversampled PSFs, and lower the peak of one whose FWHM is
        # 2 pixels by 15 %.
        psf, _ = EPSFBuilder(oversampling=1, maxiters=5, smoothing_kernel=None, progress_bar=False)(stars)
    except ValueError as error:
        raise PsfError(f"the {len(places)} stars of the image give no PSF: {error}") from error
    return np.asarray(psf.data, np.float64)
