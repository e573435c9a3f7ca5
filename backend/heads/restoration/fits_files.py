"""Restored FITS files: each image plane is replaced by its restored image, and an extension with the uncertainty is added."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from backend.heads.restoration.restorer import Restoration, Restorer
from backend.heads.restoration.target import TARGET_FWHM_PX
from backend.heads.structure.plane import PlaneOfFile, PsfOf
from backend.heads.structure.psf import FWHM_CARDS, PsfError
from sync.errors.images import ImageError
from sync.images.decode import kind_of, unpack
from sync.images.fits.card_values import quote_unusable, read_number
from sync.images.fits.reader import image_hdus, read_bands

__all__ = ["UNCERTAINTY", "RestoredFile", "restore_file", "saturation_in"]

UNCERTAINTY = "UNCERT"
"""Name of the extension with the standard deviations."""
OUTDATED_CARDS = ("BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM", "DATAMIN", "DATAMAX")
"""Cards on stored values, which are other ones in the restored file."""
SATURATE = "SATURATE"
PLANE_AXES, CUBE_AXES = 2, 3
PSF_ORIGINS = {
    "given": "given",
    "header": "a Gaussian of the width in the header",
    "stars": "of the stars in the image",
    "seeing": "a Gaussian of the given seeing",
}


@dataclass(frozen=True, slots=True)
class RestoredFile:
    """A restored FITS file.

    Attributes
    ----------
    content : bytes
    planes : list of Restoration
        Of each image plane, in the order of the file.
    """

    content: bytes
    planes: list[Restoration]


def restore_file(content: bytes, restorer: Restorer, psf_of: PsfOf, *, psf_name: str, max_pixels: int) -> RestoredFile:
    """Restore all planes of the image in a FITS file; keep its headers with coordinates and units.

    Parameters
    ----------
    content : bytes
        Content of the file, which may be gzipped.
    restorer : Restorer
    psf_of : callable
        Returns the PSF of each plane.
    psf_name : str
        Name of a given PSF in the history of the header.
    max_pixels : int
        Most pixels of an image.

    Raises
    ------
    ImageError
        If the file is not a FITS file with one image, is damaged or too large, or holds 8-bit values, or if no PSF suits the
        image.
    """
    data = unpack(content)
    kind = kind_of(data)
    if not kind:
        raise ImageError("the file is not an image, or is empty: give a FITS file with measured values")
    if kind != "FITS":
        raise ImageError(f"a {kind} image holds displayed brightness: give a FITS file with measured values")
    read_bands(data, max_pixels=max_pixels)  # rejects damaged files and files with several images
    with fits.open(io.BytesIO(data), memmap=False, uint=False) as file:
        images = image_hdus(file)
        parts: list[Any] = []
        planes: list[Restoration] = []
        count = sum(math.prod(image.shape[:-2]) for image in images)
        for number, image in enumerate(images):
            header = _merge(image, primary=file[0].header if image is not file[0] else None)
            results = _restore_planes(image, header, restorer, psf_of, first=len(planes), count=count)
            planes += results
            _describe(header, results, share=restorer.share, psf_name=psf_name)
            shape = image.shape
            exact = np.float64 if image.data.dtype.itemsize > np.dtype(np.float32).itemsize else np.float32
            pixels = np.stack([result.image for result in results]).reshape(shape).astype(exact)
            spread = np.stack([result.uncertainty for result in results]).reshape(shape).astype(np.float32)
            name = UNCERTAINTY if len(images) == 1 else f"{UNCERTAINTY}_{image.name or number}"
            alone = len(images) == 1
            parts.append(fits.PrimaryHDU(pixels, header) if alone else fits.ImageHDU(pixels, header, name=image.name))
            parts.append(fits.ImageHDU(spread, _bare(header), name=name))
        if len(images) > 1:
            parts.insert(0, fits.PrimaryHDU(header=_bare(file[0].header)))
        return RestoredFile(_bytes_of(parts), planes)


def _restore_planes(
    image: Any, header: fits.Header, restorer: Restorer, psf_of: PsfOf, *, first: int, count: int
) -> list[Restoration]:
    """Restore the planes of an image, of which the first one is at the place `first` of the `count` planes of the file."""
    if image.header["BITPIX"] == 8:
        raise ImageError("the FITS image holds 8-bit values, which are displayed brightness: give measured values")
    shape = tuple(side for side in image.shape if side > 1)
    if len(shape) not in (PLANE_AXES, CUBE_AXES):
        raise ImageError(f"the FITS image has axes of {image.shape} pixels: an image or a cube of images can be restored")
    saturation = saturation_in(header)
    planes: NDArray[np.floating] = image.data.reshape(-1, *shape[-2:]).astype(np.float64)
    results = []
    for number, plane in enumerate(planes, 1):
        try:
            psf = psf_of(PlaneOfFile(plane, header, first + number - 1, count))
            results.append(restorer.restore(plane, psf, saturation=saturation))
        except (ImageError, PsfError) as error:
            if len(planes) == 1:
                raise ImageError(str(error)) from error
            raise ImageError(f"plane {number} of {len(planes)}: {error}") from error
    return results


def _merge(image: Any, *, primary: fits.Header | None) -> fits.Header:
    """Return the cards of an image and those of the primary header."""
    header = _bare(image.header)
    if primary is not None:
        header.extend(_bare(primary), unique=True, strip=True)
    return header


def _describe(header: fits.Header, results: list[Restoration], *, share: float, psf_name: str) -> None:
    """Add the history of a restored image to its header, and replace the cards of the seeing."""
    missing, saturated_count = sum(result.missing_px for result in results), sum(result.saturated_px for result in results)
    noise = ", ".join(f"{result.noise:.4g}" for result in results)
    widths = [result.psf_fwhm_px for result in results if result.psf_fwhm_px is not None]
    if not widths:
        work = "noise removed"
    else:
        origin = psf_name if results[0].psf_source == "given" and psf_name else PSF_ORIGINS[results[0].psf_source]
        width = ", ".join(f"{width:.2f}" for width in widths)
        work = f"restored from a PSF of FWHM {width} px ({origin}) to a Gaussian of {TARGET_FWHM_PX:g} px"
        for name in FWHM_CARDS:
            header.remove(name, ignore_missing=True, remove_all=True)
        header["FWHM"] = (TARGET_FWHM_PX, "[pix] FWHM of the restored image")
    header.add_history(f"galaxyloop {version('galaxyloop')}: {work}; noise of the input {noise}")
    if missing:
        header.add_history(f"galaxyloop: {missing} pixels without a value are NaN, {saturated_count} of them were saturated")
    if bad_cards := quote_unusable((header,), (SATURATE,), lambda value: value > 0):
        header.add_history(f"galaxyloop: the saturation level of the header was not used: {bad_cards}")
    if share < 1:
        header.add_history(f"galaxyloop: {share:g} of the correction of the network was applied, as annotators accepted it")


def _bare(header: fits.Header) -> fits.Header:
    bare = header.copy(strip=True)
    for name in OUTDATED_CARDS:
        bare.remove(name, ignore_missing=True)
    return bare


def saturation_in(header: fits.Header) -> float | None:
    """Return the brightness from which pixels are saturated, of the card SATURATE; None without a positive number."""
    value = read_number(header, SATURATE)
    return value if value is not None and value > 0 else None


def _bytes_of(parts: list[Any]) -> bytes:
    content = io.BytesIO()
    fits.HDUList(parts).writeto(content, output_verify="silentfix")
    return content.getvalue()
