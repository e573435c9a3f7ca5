"""An image file as it is imported: what annotators see, what keeps the science values, and what is known of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sync.images.decode import MAX_PIXELS, decode, kind_of, unpacked
from sync.images.fits.reader import read_bands
from sync.images.png import to_png
from sync.images.sky import sky_of
from sync.images.stretch import FIRST_STRETCH_VERSION
from sync.images.stretches import STRETCHES

__all__ = ["Displayed", "content_id", "display"]

WEB_SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "WEBP": ".webp"}
"""Kinds that a browser shows: they are stored as they are, byte for byte."""
ID_CHARACTERS = 32


@dataclass(frozen=True)
class Displayed:
    """An image ready to be stored.

    Attributes
    ----------
    picture : bytes
        What a browser shows.
    suffix : str
        Of its file name, such as ``.png``.
    science : bytes or None
        The file with the measured values, where the picture does not hold them.
    science_suffix : str
        Of its file name.
    data : mapping
        What a task keeps of it: `ra`, `dec`, `pixel_scale_arcsec`, `wcs`, `bands`, `unit`, where they are known.
    """

    picture: bytes
    suffix: str
    science: bytes | None = None
    science_suffix: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def content_id(content: bytes, *, stretch: str) -> str:
    """Name a file by its bytes and by how it is shown; the same file under another name has the same one.

    Parameters
    ----------
    content : bytes
        A whole file, or what identifies it.
    stretch : str
        A key of `STRETCHES`; it makes a difference only where it is used: for FITS, and for what is not told by its bytes.
    """
    kind = kind_of(content)
    shown_by = () if kind in WEB_SUFFIXES else (FIRST_STRETCH_VERSION,) if kind == "TIFF" else (stretch, FIRST_STRETCH_VERSION)
    known_by = hashlib.sha256("\0".join(shown_by).encode())
    known_by.update(content)  # joined, a large file would be in memory twice
    return known_by.hexdigest()[:ID_CHARACTERS]


def display(content: bytes, *, stretch: str, max_pixels: int = MAX_PIXELS) -> Displayed:
    """Make of an image file what annotators see; every file is decoded, so that a broken one is found now.

    Raises
    ------
    ImageError
        If it is no image, damaged or too large.
    """
    file = unpacked(content)
    kind = kind_of(file)
    if kind != "FITS":
        pixels = decode(file, max_pixels=max_pixels)
        if kind in WEB_SUFFIXES:
            return Displayed(file, WEB_SUFFIXES[kind])
        return Displayed(to_png(pixels), ".png", science=file, science_suffix=".tif")
    bands = read_bands(file, max_pixels=max_pixels)
    shown = bands.picture() if bands.is_picture else STRETCHES[stretch](bands.planes, bands.weights)
    known = {"bands": list(bands.names), "unit": bands.unit}
    return Displayed(
        to_png(np.ascontiguousarray(shown[::-1])),
        ".png",
        science=file,
        science_suffix=".fits",
        data=sky_of(bands.header, file) | {name: value for name, value in known.items() if value},
    )
