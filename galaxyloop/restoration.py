"""Restored images in other programs: deconvolved and denoised, with the uncertainty of each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from galaxyloop.images import Image, load_image, require_image

if TYPE_CHECKING:
    from backend.heads.structure.plane import PsfOf

__all__ = ["Restored", "denoise", "restore"]

MAX_PIXELS = 100_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A restored image.

    Attributes
    ----------
    image : Image
        The restored image; its `content` is the FITS file that ``galaxyloop restore`` writes.
    values, uncertainty : ndarray, shape (height, width) or (bands, height, width)
        Restored brightness and its standard deviation, in the unit of the input, row 0 at the bottom as in FITS; NaN for
        missing and saturated pixels.
    psf : str
        Where the PSF comes from: ``given``, ``header`` or ``stars``; ``none`` where only noise was removed.
    """

    image: Image
    values: NDArray[np.float64]
    uncertainty: NDArray[np.float64]
    psf: str


def restore(image: Image, psf: NDArray[Any] | None = None) -> Restored:
    """Deconvolve and denoise an image to a Gaussian PSF of 2 pixels (FWHM).

    Parameters
    ----------
    image : Image
        From `load_image`: a FITS file or measured values, not a displayed image.
    psf : ndarray, shape (k, k), optional
        Point spread function on the pixels of the image; default: from the header, or from stars of the image.

    Raises
    ------
    ImageError
        If the image cannot be restored, or no PSF suits it; a subclass of ValueError.
    PsfError
        If the PSF is not a point spread function; a subclass of ValueError.

    Examples
    --------
    >>> restored = galaxyloop.restore(galaxyloop.load_image("galaxy.fits"), psf)
    >>> restored.values, restored.uncertainty
    """
    from backend.heads.structure.psf import make_psf
    from backend.measurement.psf_choice import psf_of_plane

    if psf is None:
        return _restore(image, psf_of_plane)
    given_psf = make_psf(psf)
    return _restore(image, lambda _: given_psf)


def denoise(image: Image) -> Restored:
    """Remove the noise of an image at its own resolution; parameters and errors as for `restore`.

    Examples
    --------
    >>> galaxyloop.denoise(galaxyloop.load_image("galaxy.fits")).values
    """
    return _restore(image, lambda _: None)


def _restore(image: Image, psf_of: PsfOf) -> Restored:
    from backend.heads.restoration.fits_files import restore_file
    from backend.heads.restoration.restorer import SHIPPED_RESTORER, Restorer

    content = require_image(image).content
    file = restore_file(content, Restorer.load(SHIPPED_RESTORER), psf_of, psf_name="", max_pixels=MAX_PIXELS)
    values, uncertainty = (np.stack([getattr(plane, name) for plane in file.planes]) for name in ("image", "uncertainty"))
    if len(file.planes) == 1:
        values, uncertainty = values[0], uncertainty[0]
    return Restored(load_image(file.content), values, uncertainty, file.planes[0].psf_source)
