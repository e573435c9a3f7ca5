"""Which band of a FITS image is measured."""

from __future__ import annotations

from collections.abc import Sequence

from sync.errors.images import ImageError
from sync.images.fits.choice import only_image
from sync.images.fits.headers import read_headers
from sync.images.fits.parts import parts_of
from sync.images.fits.reader import read_bands
from sync.images.fits_extraction import pick_extension

__all__ = ["choose_band", "select_band"]

USUAL = ("r", "i")
"""Bands in which galaxies are usually measured, the best first."""


def select_band(data: bytes, band: str, *, max_pixels: int) -> tuple[bytes, int, int]:
    """Return a file with the extension of a band, if the bands are extensions with headers of their own.

    The other two values are the index of the band and the number of bands; 0 and 1 for all other files, as they are.

    Parameters
    ----------
    data : bytes
        FITS file, not gzipped.
    band : str
        As for `choose_band`.
    max_pixels : int

    Raises
    ------
    ImageError
        If the file cannot be read or has no such band.
    """
    parts = only_image(parts_of(read_headers(data)))
    if len(parts) == 1:
        return data, 0, 1
    files = [pick_extension(data, str(part.number)) for part in parts]
    names = read_bands(data, max_pixels=max_pixels)
    if names.is_rgb:
        return data, 0, 1
    own_names = [read_bands(file, max_pixels=max_pixels).names for file in files]
    band_names = [name[0] if name else part.name for name, part in zip(own_names, parts, strict=True)]
    index = choose_band(band_names, len(parts), band)
    return files[index], index, len(parts)


def choose_band(names: Sequence[str], count: int, band: str) -> int:
    """Return the index of the band that is measured.

    Parameters
    ----------
    names : sequence of str
        Names of the bands; empty if the file does not name them.
    count : int
        Number of bands.
    band : str
        Name of the band, or its number from 1 if the bands have no names; empty for r, else i, else the middle one.

    Raises
    ------
    ImageError
        If there is no such band.
    """
    folded_names = [name.strip().casefold() for name in names]
    if not band:
        return next((folded_names.index(name) for name in USUAL if name in folded_names), count // 2)
    folded_band = band.strip().casefold()
    if folded_band in folded_names:
        return folded_names.index(folded_band)
    if not folded_names and folded_band.isdecimal() and 1 <= int(folded_band) <= count:
        return int(folded_band) - 1
    name_list = ", ".join(names) if names else f"{count} without names, called 1 to {count}"
    raise ImageError(f"the file has no band {band!r}: it has {name_list}")
