"""The PSF of an image: a given one, from the header, from its stars, or a Gaussian of a given seeing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.heads.structure.measurement import NO_PSF
from backend.heads.structure.plane import PlaneOfFile
from backend.heads.structure.psf import FWHM_CARDS, Psf, PsfError, gaussian_psf, psf_from_header, psf_of_band, require_fit
from backend.measurement.science import ScienceImage
from sync.errors.images import ImageError
from sync.errors.sky import SkyError
from sync.images.sky import sky_in_file

__all__ = ["PsfOptions", "choose_psf", "list_unused_widths", "psf_of_plane"]

FEWEST_PIXELS_FOR_STARS = 300 * 300
"""A smaller image is a cut-out of one galaxy, and is not searched for stars."""


@dataclass(frozen=True, slots=True, eq=False)
class PsfOptions:
    """What the user states about the PSF of the images.

    Attributes
    ----------
    psfs : tuple of Psf
        Replace the PSF of the header and of the stars: one PSF, or one for each band; empty if none is given.
    seeing_arcsec : float or None
        FWHM of a star, used where neither the header nor the stars give a PSF.
    """

    psfs: tuple[Psf, ...] = ()
    seeing_arcsec: float | None = None


def choose_psf(image: ScienceImage, options: PsfOptions) -> tuple[Psf | None, str]:
    """Return the PSF of an image, and a sentence that says why there is none; empty with a PSF.

    Raises
    ------
    ImageError
        If the given PSF is larger than the image, or the number of PSFs is not that of the bands.
    """
    if options.psfs:
        try:
            psf = psf_of_band(options.psfs, image.place, bands=image.bands)
            require_fit(psf, image.plane.shape)
        except PsfError as error:
            raise ImageError(str(error)) from error
        return psf, ""
    if not image.is_linear:
        return None, "the pixels are display brightness, and a PSF is the image of a star in measured values"
    return _first_of((_of_header, _of_stars, _of_seeing), image, options)


def list_unused_widths(image: ScienceImage, options: PsfOptions, *, psf_source: str) -> tuple[str, ...]:
    """Return a sentence for each width of a star that the header or the user gives and that could not be used.

    Parameters
    ----------
    image : ScienceImage
    options : PsfOptions
    psf_source : str
        Source of the PSF that `choose_psf` returned, or `NO_PSF`.
    """
    sentences = []
    header = image.header if image.is_linear else None
    if header is not None and psf_source not in ("given", "header") and any(card in header for card in FWHM_CARDS):
        _, reason = _first_of((_of_header,), image, options)
        sentences.append(f"the width of a star in the header is not used: {reason}")
    if options.seeing_arcsec is not None and psf_source == NO_PSF:
        _, reason = choose_psf(image, options) if not image.is_linear else _first_of((_of_seeing,), image, options)
        sentences.append(f"the given seeing is not used: {reason}")
    return tuple(sentences)


def psf_of_plane(plane: PlaneOfFile) -> Psf:
    """Return the PSF of one plane of a FITS image from its header, or from its stars.

    Parameters
    ----------
    plane : PlaneOfFile

    Raises
    ------
    PsfError
        If neither gives a PSF that fits into the image; the message has the reasons.
    """
    try:
        scale = sky_in_file(plane.header, None).pixel_scale_arcsec
    except SkyError:
        scale = None
    image = ScienceImage(plane.pixels.astype(np.float32), "", header=plane.header, pixel_scale_arcsec=scale)
    psf, reason = _first_of((_of_header, _of_stars), image, PsfOptions())
    if psf is None:
        raise PsfError(f"the PSF is not known: {reason}")
    return psf


def _first_of(
    finders: Sequence[Callable[[ScienceImage, PsfOptions], Psf]], image: ScienceImage, options: PsfOptions
) -> tuple[Psf | None, str]:
    """Return the PSF of the first finder that has one for an image, or the reasons of all of them."""
    reasons = []
    for find in finders:
        try:
            psf = find(image, options)
            require_fit(psf, image.plane.shape)
        except PsfError as error:
            reasons.append(str(error))
        else:
            return psf, ""
    return None, "; ".join(reasons)


def _of_header(image: ScienceImage, _: PsfOptions) -> Psf:
    if image.header is None:
        raise PsfError("the file has no header")
    return psf_from_header(image.header, pixel_scale_arcsec=image.pixel_scale_arcsec)


def _of_stars(image: ScienceImage, _: PsfOptions) -> Psf:
    if image.plane.size < FEWEST_PIXELS_FOR_STARS:
        raise PsfError("the image is too small to hold enough stars")
    from backend.heads.structure.star_psf import psf_from_stars

    return psf_from_stars(image.plane)


def _of_seeing(image: ScienceImage, options: PsfOptions) -> Psf:
    if options.seeing_arcsec is None:
        raise PsfError("no seeing is given")
    if image.pixel_scale_arcsec is None:
        raise PsfError("the seeing is in arcsec, and the pixel scale is unknown")
    return gaussian_psf(options.seeing_arcsec / image.pixel_scale_arcsec)
