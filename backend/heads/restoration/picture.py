"""Displayed pictures of restored images, with the brightness scale of the observed image."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from astropy.io import fits

from backend.heads.restoration.fits_files import saturation_in
from backend.heads.restoration.restorer import Restoration, Restorer
from backend.heads.restoration.share import SHARES, SHIPPED_SHARE
from backend.heads.structure.plane import PlaneOfFile, PsfOf
from backend.heads.structure.psf import PsfError
from sync.errors.images import ImageError
from sync.images.decode import kind_of, unpack
from sync.images.fits.reader import FitsBands, image_hdus, read_bands
from sync.images.png import to_png
from sync.images.stretch import in_colour
from sync.images.stretches import DEFAULT_STRETCH, STRETCHES
from sync.importing.drawing import CompanionPicture

__all__ = ["PSF_KEY", "RESTORED_BY", "RESTORED_KEY", "SHARE_KEY", "WEIGHTS_KEY", "RestoredPicture", "SharePlan"]

RESTORED_KEY = "restored"
"""Key of a task's data with the reference of its restored picture."""
RESTORED_BY, SHARE_KEY, WEIGHTS_KEY, PSF_KEY = "restored_by", "restored_share", "restored_weights", "restored_psf"
"""Keys with the version, the share of the network's correction, the network and the source of the PSF of that picture."""
USUAL_PART = 0.5
"""Part of the pictures that are drawn with the share of the live version where annotators judge them."""


@dataclass(frozen=True, slots=True)
class SharePlan:
    """Which share of the network's correction each picture is drawn with.

    Attributes
    ----------
    live : float
        Share of the live version.
    version : str
        Name of the version that it comes from.
    compares : bool
        Whether annotators judge the pictures: then half of them are drawn with other shares, or nothing could be compared.
    """

    live: float = SHIPPED_SHARE
    version: str = "shipped"
    compares: bool = False

    def share_of(self, content: bytes) -> float:
        """Return the share for an image file, by a hash of its content: the same in each import."""
        others = [share for share in SHARES if share != self.live]
        number = int.from_bytes(hashlib.sha256(b"share" + content).digest()[:8]) / 2**64
        if not self.compares or number < USUAL_PART:
            return self.live
        return others[int((number - USUAL_PART) / (1 - USUAL_PART) * len(others))]


@dataclass(frozen=True, slots=True)
class RestoredPicture:
    """Draws the restored picture of an image file.

    Attributes
    ----------
    restorer : Restorer
    psf_of : callable
        Returns the PSF of a plane.
    stretch : str
        A key of `STRETCHES`. The default one has the sky and noise of the observed image, so that both pictures compare.
    max_pixels : int
        Most pixels of an image.
    plan : SharePlan
    """

    restorer: Restorer
    psf_of: PsfOf
    stretch: str
    max_pixels: int
    plan: SharePlan = field(default_factory=SharePlan)
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    """An import draws in several threads; the network uses all cores for one image."""

    def __call__(self, content: bytes) -> CompanionPicture:
        """Return a PNG file, in the orientation of the displayed observed image, and how it was made.

        Raises
        ------
        ImageError
            If the file is not a FITS file with measured values, or the image has no PSF with which it can be restored.
        """
        data = unpack(content)
        if kind_of(data) != "FITS":
            raise ImageError(f"a {kind_of(data)} image holds displayed brightness: --restore needs FITS files")
        bands = read_bands(data, max_pixels=self.max_pixels)
        if bands.is_rgb:
            raise ImageError("the FITS file holds an 8-bit colour image, which is displayed brightness and cannot be restored")
        share = self.plan.share_of(data)
        results = self._restore(bands, _headers(data, bands), self.restorer.with_share(share))
        planes = np.stack([result.image for result in results])
        if self.stretch == DEFAULT_STRETCH:
            pixels = in_colour(planes, weights=bands.weights, reference=bands.planes)
        else:
            pixels = STRETCHES[self.stretch](planes, bands.weights)
        about = {
            RESTORED_BY: self.plan.version,
            SHARE_KEY: share,
            WEIGHTS_KEY: self.restorer.fingerprint,
            PSF_KEY: results[0].psf_source,
        }
        return CompanionPicture(to_png(np.ascontiguousarray(pixels[::-1])), about)

    def _restore(self, bands: FitsBands, headers: Mapping[str, fits.Header], restorer: Restorer) -> list[Restoration]:
        names = bands.names or [""] * len(bands.planes)
        cards = [headers.get(name.upper(), headers[""]) for name in names]
        try:
            with self.one_at_a_time:
                return [
                    restorer.restore(
                        plane, self.psf_of(PlaneOfFile(plane, header, place, len(cards))), saturation=saturation_in(header)
                    )
                    for plane, header, place in zip(bands.planes, cards, bands.places, strict=True)
                ]
        except PsfError as error:
            raise ImageError(str(error)) from error


def _headers(data: bytes, bands: FitsBands) -> dict[str, fits.Header]:
    """Return the header of each image of a file by its name, with the cards of the primary header; "" is the first image."""
    with fits.open(io.BytesIO(data), memmap=False) as file:
        headers = {image.name.upper(): image.header.copy() for image in image_hdus(file)} | {"": bands.header.copy()}
        for header in headers.values():
            header.extend(file[0].header, unique=True, strip=True)
    return headers
