"""Conversion of an image file for the import: the displayed image, the file with science values, and metadata of the task."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sync.images.decode import MAX_PIXELS, decode, kind_of, unpack
from sync.images.fits.reader import read_bands
from sync.images.png import to_png
from sync.images.sky import sky_of
from sync.images.stretch import FIRST_STRETCH_VERSION
from sync.images.stretches import STRETCHES

__all__ = ["DisplayedImage", "content_id", "display"]

WEB_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "WEBP": ".webp"}
"""Suffixes of the formats that browsers display; such files are stored unchanged."""
ID_CHARACTERS = 32


@dataclass(frozen=True)
class DisplayedImage:
    """An image file converted for storage.

    Attributes
    ----------
    image : bytes
        Image that browsers display.
    suffix : str
        Suffix of the image's file name, such as ``.png``.
    science : bytes or None
        File with the measured values, if `image` does not contain them.
    science_suffix : str
        Suffix of the science file's name.
    data : mapping
        Metadata for the task: `ra`, `dec`, `pixel_scale_arcsec`, `wcs`, `bands` and `unit`, if they are known.
    """

    image: bytes
    suffix: str
    science: bytes | None = None
    science_suffix: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def content_id(content: bytes, *, stretch: str) -> str:
    """Return a hash of a file's content and of its stretch; it does not depend on the file's name.

    Parameters
    ----------
    content : bytes
        Content of the file, or bytes that identify it.
    stretch : str
        A key of `STRETCHES`; ignored for TIFF and the formats that browsers display.
    """
    kind = kind_of(content)
    rendering = () if kind in WEB_SUFFIXES else (FIRST_STRETCH_VERSION,) if kind == "TIFF" else (stretch, FIRST_STRETCH_VERSION)
    digest = hashlib.sha256("\0".join(rendering).encode())
    digest.update(content)  # hashed separately, to avoid a copy of a large file
    return digest.hexdigest()[:ID_CHARACTERS]


def display(content: bytes, *, stretch: str, max_pixels: int = MAX_PIXELS) -> DisplayedImage:
    """Convert an image file for display; every file is decoded, so that the import detects damaged ones.

    Parameters
    ----------
    content : bytes
        Content of the file, which may be gzipped.
    stretch : str
        A key of `STRETCHES`.
    max_pixels : int
        Most pixels of an image.

    Raises
    ------
    ImageError
        If the file is not an image, is damaged or too large.
    """
    file = unpack(content)
    kind = kind_of(file)
    if kind != "FITS":
        pixels = decode(file, max_pixels=max_pixels)
        if kind in WEB_SUFFIXES:
            return DisplayedImage(file, WEB_SUFFIXES[kind])
        return DisplayedImage(to_png(pixels), ".png", science=file, science_suffix=".tif")
    bands = read_bands(file, max_pixels=max_pixels)
    pixels = bands.to_rgb() if bands.is_rgb else STRETCHES[stretch](bands.planes, bands.weights)
    metadata = {"bands": list(bands.names), "unit": bands.unit}
    return DisplayedImage(
        to_png(np.ascontiguousarray(pixels[::-1])),
        ".png",
        science=file,
        science_suffix=".fits",
        data=sky_of(bands.header, file) | {name: value for name, value in metadata.items() if value},
    )
