"""One plane of a FITS file, with what the choice of its PSF needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from backend.heads.structure.psf import Psf

__all__ = ["PlaneOfFile", "PsfOf"]


@dataclass(frozen=True, slots=True, eq=False)
class PlaneOfFile:
    """One plane of a FITS file.

    Attributes
    ----------
    pixels : ndarray, shape (height, width)
        Measured values; NaN for missing pixels.
    header : Header
        Header of the plane, with the cards of the primary header.
    place, count : int
        Place of the plane in the file, from 0, and number of planes of the file.
    """

    pixels: NDArray[np.floating]
    header: fits.Header
    place: int
    count: int


PsfOf = Callable[[PlaneOfFile], Psf | None]
"""Returns the PSF of a plane, None to only remove noise; raises PsfError."""
