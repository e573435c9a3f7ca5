"""Point spread functions: from a file or pixels, from the header, or a Gaussian of a given width.

A PSF is the image of a star: it includes the response of a pixel. Therefore a model is convolved with it once, and is not
averaged over pixels as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy import special

from backend.heads.structure.psf_sky import find_sky
from sync.errors.images import ImageError
from sync.images.decode import unpack
from sync.images.fits.card_values import quote_unusable, read_number
from sync.images.fits.opening import open_fits

__all__ = [
    "SOURCES",
    "Psf",
    "PsfError",
    "gaussian_psf",
    "make_psf",
    "psf_from_header",
    "psf_of_band",
    "read_psfs",
    "require_fit",
]

SOURCES = ("given", "header", "stars", "seeing")
"""Where a PSF comes from; "seeing" is a Gaussian of a given width."""
FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
NARROWEST_FWHM_PX, WIDEST_FWHM_PX = 0.5, 1000.0
PIXEL_VARIANCE = 1 / 12
"""Variance along one axis of a pixel's response, square pixels."""
FAINTEST_CORE = 0.1
"""Brightness of the faintest pixels that count for the centre of a PSF, in units of its peak."""
MOST_LIGHT = 0.95
"""Part of the light of a PSF that must fit into an image; the wings may be larger."""
MOST_PIXELS, MOST_BYTES = 2**22, 2**27
ARCSEC, PIXELS = "arcsec", "pixels"
FWHM_CARDS = {
    "PSF_FWHM": ARCSEC,
    "PSFFWHM": ARCSEC,
    "SEEING": ARCSEC,
    "IQFINAL": ARCSEC,
    "FWHM": PIXELS,
    "SEEINGP": PIXELS,
}
"""Header cards with the FWHM of a star, and their unit where the comment of the card does not name one."""


class PsfError(ValueError):
    """A PSF cannot be read or used; the message is one sentence that says what is wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Psf:
    """A normalised point spread function; make it with a function of this module, which checks it.

    Attributes
    ----------
    pixels : ndarray, shape (k, k), k odd
        Sum 1; the brightest pixel is the middle one.
    source : str
        One of `SOURCES`.
    """

    pixels: NDArray[np.float64]
    source: str

    @property
    def centre_offset_px(self) -> tuple[float, float]:
        """Place (x, y) of the centre of light relative to the middle pixel; a model's position has this error."""
        core = (self.pixels - FAINTEST_CORE * self.pixels.max()).clip(0)
        steps = np.arange(len(core)) - len(core) // 2
        return float(core.sum(axis=0) @ steps / core.sum()), float(core.sum(axis=1) @ steps / core.sum())

    @property
    def fwhm_px(self) -> float:
        """Full width at half maximum of the Gaussian whose peak holds the same part of the light, pixels."""
        return FWHM_PER_SIGMA * math.sqrt(max(1 / (2 * math.pi * float(self.pixels.max())), PIXEL_VARIANCE))


def make_psf(pixels: NDArray[np.floating], source: str = "given") -> Psf:
    """Check and normalise the pixels of a PSF of any shape, and move its brightest pixel to the middle.

    Raises
    ------
    PsfError
        If it has not two axes, NaN or infinite pixels, no light, a negative sum, a peak at its border, or a sky.
    """
    values = np.asarray(pixels, np.float64)
    if values.ndim != 2 or 0 in values.shape:
        content = f"an array of shape {values.shape}" if values.shape else "a single pixel"
        raise PsfError(f"a PSF is an image with two axes, not {content}")
    if not np.isfinite(values).all():
        raise PsfError(f"the PSF has {np.count_nonzero(~np.isfinite(values))} pixels that are NaN or infinite")
    if not values.any():
        raise PsfError("the PSF is 0 in all pixels")
    total = float(values.sum())
    if total <= 0 or values.max() <= 0:
        raise PsfError(f"the sum of the PSF is {total:.3g}: it must be positive")
    if values.size > 1 and np.ptp(values) == 0:
        raise PsfError("the PSF has the same value in all pixels")
    if values.max() > 1.5 * total:
        raise PsfError("the negative pixels of the PSF outweigh its light: subtract its sky")
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    height, width = values.shape
    if min(height, width) > 2 and (row in (0, height - 1) or column in (0, width - 1)):
        raise PsfError(f"the peak of the PSF is at its border (x = {column}, y = {row}): cut it out around the star")
    if (sky := find_sky(values)) is not None:
        raise PsfError(
            f"the PSF has a sky of {sky:.3g} per pixel, {sky * values.size / total:.0%} of its light: subtract its sky"
        )
    half = max(row, height - 1 - row, column, width - 1 - column)
    square = np.zeros((2 * half + 1, 2 * half + 1))
    square[half - row : half - row + height, half - column : half - column + width] = values / total
    return Psf(square, source)


def psf_of_band(psfs: Sequence[Psf], place: int, *, bands: int) -> Psf:
    """Return the PSF of one band from those of `read_psfs`: the only one, or that at the place of the band in its file.

    Raises
    ------
    PsfError
        If there are several PSFs, and not one for each of the `bands`.
    """
    if len(psfs) not in (1, bands):
        count = "1 band" if bands == 1 else f"{bands} bands"
        raise PsfError(f"the file of the PSF has {len(psfs)} PSFs, and the image {count}: give one PSF, or one for each band")
    return psfs[place if len(psfs) > 1 else 0]


def read_psfs(source: Path | bytes) -> tuple[Psf, ...]:
    """Read the PSFs in the first image of a FITS file: one, or a cube with one for each band.

    Parameters
    ----------
    source : Path or bytes
        The file or its content, which may be gzipped.

    Raises
    ------
    PsfError
        If the file cannot be read, has no image or more than `MOST_PIXELS` pixels, or `make_psf` rejects it.
    """
    name = f"{source}: " if isinstance(source, Path) else ""
    try:
        content = unpack(source.read_bytes() if isinstance(source, Path) else source, max_bytes=MOST_BYTES)
    except OSError as error:
        raise PsfError(f"{name}the file of the PSF cannot be read: {error.strerror or error}") from error
    except ImageError as error:
        raise PsfError(f"{name}{error}") from error
    if not content.startswith(b"SIMPLE"):
        raise PsfError(f"{name}the file of the PSF is not a FITS file")
    try:
        with open_fits(content, max_pixels=MOST_PIXELS) as file:
            image = next((part for part in file if part.is_image and part.shape), None)
            pixels = None if image is None or math.prod(image.shape) > MOST_PIXELS else np.squeeze(image.data)
    except ImageError as error:
        raise PsfError(f"{name}{error}") from error
    except Exception as error:  # astropy raises undocumented exceptions for damaged files
        raise PsfError(f"{name}the FITS file of the PSF cannot be read: {error}") from error
    if image is None:
        raise PsfError(f"{name}the file has no image to use as PSF")
    if pixels is None:
        raise PsfError(f"{name}the image has {image.shape} pixels, more than the {MOST_PIXELS} that a PSF may have")
    try:
        return tuple(make_psf(plane) for plane in (pixels if pixels.ndim == 3 else pixels[None]))
    except PsfError as error:
        raise PsfError(f"{name}{error}") from error


def gaussian_psf(fwhm_px: float, *, source: str = "seeing") -> Psf:
    """Return a round Gaussian PSF averaged over pixels; `fwhm_px` is measured on the image, so it includes the pixel.

    Raises
    ------
    PsfError
        If `fwhm_px` is not finite, is below half a pixel, or is larger than any image of a star.
    """
    if not math.isfinite(fwhm_px) or not NARROWEST_FWHM_PX <= fwhm_px <= WIDEST_FWHM_PX:
        raise PsfError(
            f"the FWHM of the PSF is {fwhm_px:g} pixels: it must be at least {NARROWEST_FWHM_PX} and at most {WIDEST_FWHM_PX:g}"
        )
    variance = (fwhm_px / FWHM_PER_SIGMA) ** 2
    sigma = math.sqrt(max(variance - PIXEL_VARIANCE, 1e-4))
    half = max(3, math.ceil(5 * math.sqrt(variance)))
    edges = (np.arange(-half, half + 2) - 0.5) / sigma
    line = np.diff(special.ndtr(edges))
    return make_psf(np.outer(line, line), source)


def psf_from_header(header: fits.Header, *, pixel_scale_arcsec: float | None) -> Psf:
    """Return a Gaussian PSF of the FWHM in a header.

    Parameters
    ----------
    header : Header
    pixel_scale_arcsec : float or None
        Needed where the card is in arcsec.

    Raises
    ------
    PsfError
        If the header has no card of `FWHM_CARDS` with a positive number, or its unit needs a pixel scale that is unknown.
    """
    name, fwhm, unit = _fwhm_in_header(header)
    if unit == ARCSEC and (pixel_scale_arcsec is None or not pixel_scale_arcsec > 0):
        raise PsfError(f"the header gives {name} = {fwhm} arcsec, and the pixel scale is unknown")
    try:
        return gaussian_psf(fwhm / (pixel_scale_arcsec or 1) if unit == ARCSEC else fwhm, source="header")
    except PsfError as error:
        raise PsfError(f"the header gives {name} = {fwhm:g} {unit}: {error}") from error


def _fwhm_in_header(header: fits.Header) -> tuple[str, float, str]:
    """Return the card, value and unit ("arcsec" or "pixels") of the FWHM in a header; raise PsfError if there is none."""
    for name, usual_unit in FWHM_CARDS.items():
        value = read_number(header, name)
        if value is None or value <= 0:
            continue
        comment = header.comments[name].lower()
        return name, value, ARCSEC if "arcs" in comment else PIXELS if "pix" in comment else usual_unit
    if bad_cards := quote_unusable((header,), tuple(FWHM_CARDS), lambda value: value > 0):
        raise PsfError(f"the header gives {bad_cards}, and the FWHM of a star is a positive number")
    raise PsfError(f"the header has none of the cards {', '.join(FWHM_CARDS)} with a positive number")


def require_fit(psf: Psf, shape: tuple[int, ...]) -> None:
    """Raise PsfError if a PSF is larger than an image of `shape` (height, width): if 95 % of its light do not fit into it."""
    half = psf.pixels.shape[0] // 2
    reach = (min(shape) - 1) // 2
    if reach >= half:
        return
    inside = float(psf.pixels[half - reach : half + reach + 1, half - reach : half + reach + 1].sum())
    if inside < MOST_LIGHT:
        side, (height, width) = psf.pixels.shape[0], shape
        raise PsfError(
            f"the PSF of {side}x{side} pixels is larger than the image, {width}x{height}: {inside:.0%} of its light is inside"
        )
