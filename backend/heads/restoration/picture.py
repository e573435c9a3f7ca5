"""Displayed pictures of restored images, with the brightness scale of the observed image."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np

from backend.heads.restoration.restorer import Restorer
from backend.heads.structure.psf import Psf, PsfError
from sync.errors.images import ImageError
from sync.images.decode import kind_of, unpack
from sync.images.fits.reader import read_bands
from sync.images.png import to_png
from sync.images.stretch import in_colour
from sync.images.stretches import DEFAULT_STRETCH, STRETCHES

__all__ = ["RESTORED_KEY", "RestoredPicture"]

RESTORED_KEY = "restored"
"""Key of a task's data with the reference of its restored picture."""


@dataclass(frozen=True, slots=True)
class RestoredPicture:
    """Draws the restored picture of an image file.

    Attributes
    ----------
    restorer : Restorer
    psf : Psf or None
        None removes noise only.
    stretch : str
        A key of `STRETCHES`. The default one has the sky and noise of the observed image, so that both pictures compare.
    max_pixels : int
        Most pixels of an image.
    """

    restorer: Restorer
    psf: Psf | None
    stretch: str
    max_pixels: int
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    """An import draws in several threads; the network uses all cores for one image."""

    def __call__(self, content: bytes) -> bytes:
        """Return a PNG file, in the orientation of the displayed observed image.

        Raises
        ------
        ImageError
            If the file is not a FITS file with measured values, or the image cannot be restored with this PSF.
        """
        data = unpack(content)
        if kind_of(data) != "FITS":
            raise ImageError(f"a {kind_of(data)} image holds displayed brightness: --restore needs FITS files")
        bands = read_bands(data, max_pixels=self.max_pixels)
        if bands.is_rgb:
            raise ImageError("the FITS file holds an 8-bit colour image, which is displayed brightness and cannot be restored")
        try:
            with self.one_at_a_time:
                planes = np.stack([self.restorer.restore(plane, self.psf).image for plane in bands.planes])
        except PsfError as error:
            raise ImageError(str(error)) from error
        if self.stretch == DEFAULT_STRETCH:
            pixels = in_colour(planes, weights=bands.weights, reference=bands.planes)
        else:
            pixels = STRETCHES[self.stretch](planes, bands.weights)
        return to_png(np.ascontiguousarray(pixels[::-1]))
