"""The planes of a FITS mosaic as tiles: one each image and each plane of a cube, of which only what is cut is read."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import NoOverlapError, overlap_slices
from astropy.wcs import WCS, Sip
from numpy.typing import NDArray

from sync.images.errors import DAMAGE
from sync.images.fits import band_names, image_hdus
from sync.sky.errors import SkyError
from sync.sky.reader import read_sky
from sync.sources.item import SourceError

__all__ = ["Tile", "read_tiles"]

PHOTOMETRY = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "PHOTFLAM", "PHOTPLAM", "PHOTZPT", "PHOTBW", "EXPTIME", "GAIN")
"""Cards that say what the values mean."""
WIDEST_DEG = 60.0
"""Of a tile whose corners say how far it reaches; a map of the whole sky has its corners together."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One plane of a mosaic.

    Attributes
    ----------
    file : Path
    band : str
        Empty where neither the header nor a name says which.
    section : Section
        Gives an array when sliced, and reads only that from the disk.
    leading : tuple of int
        Index of the plane in a cube.
    shape : tuple of int
        Height, width.
    wcs : WCS
    unit : str
    photometry : mapping
        Those of `PHOTOMETRY` that its header has.
    middle : ndarray, shape (3,)
        Unit vector to its middle.
    reach : float
        Cosine of the angle to its farthest corner.
    """

    file: Path
    band: str
    section: Any
    leading: tuple[int, ...]
    shape: tuple[int, int]
    wcs: WCS
    unit: str
    photometry: Mapping[str, float | str]
    middle: NDArray[np.float64]
    reach: float

    def pixel_of(self, place: SkyCoord) -> tuple[float, float] | None:
        """The pixel x, y of a place, None where it lies outside."""
        if place.cartesian.xyz.value @ self.middle < self.reach:
            return None
        x, y = (float(value) for value in self.wcs.world_to_pixel(place))
        height, width = self.shape
        return (x, y) if -0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5 else None

    def holds_the_middle_of(self, other: Tile) -> bool:
        """Whether the middle of another tile lies on this one."""
        near = self.middle @ other.middle >= self.reach  # most are not: it saves the transformation
        return bool(near) and self.pixel_of(SkyCoord(*other.middle, representation_type="cartesian")) is not None

    def cut(self, x: float, y: float, side: int) -> tuple[NDArray[np.floating], WCS]:
        """A square around a pixel, shape (side, side), NaN beyond the edge, with its world coordinates."""
        try:
            inside, here = overlap_slices(self.shape, (side, side), (y, x), mode="partial")
        except NoOverlapError:
            return np.full((side, side), np.nan, dtype=np.float32), self.wcs
        part = np.asarray(self.section[(*self.leading, *inside)])
        exact = part.dtype.itemsize <= 2 or part.dtype.newbyteorder("=") == np.float32
        plane: NDArray[np.floating] = np.full((side, side), np.nan, dtype=np.float32 if exact else np.float64)
        plane[here] = part
        wcs = copy.deepcopy(self.wcs)
        wcs.wcs.crpix -= (inside[1].start - here[1].start, inside[0].start - here[0].start)
        if wcs.sip is not None:
            wcs.sip = Sip(wcs.sip.a, wcs.sip.b, wcs.sip.ap, wcs.sip.bp, wcs.wcs.crpix)
        return plane, wcs


def read_tiles(opened: fits.HDUList, file: Path, *, band: str = "") -> Iterator[Tile]:
    """Give the tiles of an open file.

    Parameters
    ----------
    opened : HDUList
    file : Path
        For messages.
    band : str
        What a person calls it; else the header's names.

    Raises
    ------
    SourceError
        If the file is damaged, or holds no image, or one without celestial coordinates.
    """
    try:
        images = image_hdus(opened)
    except DAMAGE as error:
        raise SourceError(f"the mosaic {file} cannot be read as FITS: {error}") from error
    if not images:
        raise SourceError(f"the mosaic {file} holds no image of two axes")
    for hdu in images:
        try:
            wcs = read_sky(hdu.header, opened).wcs
        except SkyError as error:
            raise SourceError(f"the mosaic {file} has no celestial coordinates in its header: {error}") from error
        planes = list(np.ndindex(*hdu.shape[:-2]))
        names = band_names(opened[0].header, [hdu], len(planes)) or ("",) * len(planes)
        middle, reach = _reach(wcs, hdu.shape[-2:])
        unit = str(hdu.header.get("BUNIT", "")).strip()
        photometry = _photometry(hdu.header, opened[0].header)
        for number, (leading, name) in enumerate(zip(planes, names, strict=True)):
            called = name if not band else band if len(planes) == 1 else f"{band} {name or number}"
            yield Tile(file, called, hdu.section, leading, hdu.shape[-2:], wcs, unit, photometry, middle, reach)


def _photometry(*headers: fits.Header) -> dict[str, float | str]:
    """Read `PHOTOMETRY` from the first of the headers that has each."""
    cards: dict[str, float | str] = {}
    for name in PHOTOMETRY:
        value = next((header[name] for header in headers if name in header), None)
        if isinstance(value, int | float | str):
            cards[name] = value
    return cards


def _reach(wcs: WCS, shape: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    """Unit vector to the middle of an image, and the cosine of the angle to its farthest corner, with a margin."""
    height, width = shape
    corners = wcs.pixel_to_world([-1, -1, width, width, (width - 1) / 2], [-1, height, -1, height, (height - 1) / 2]).icrs
    vectors = corners.cartesian.xyz.value.T
    cosines = vectors[:4] @ vectors[4]
    wide = max(shape) * np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))) > WIDEST_DEG
    return vectors[4], -2.0 if wide or not np.isfinite(cosines).all() else float(cosines.min()) - 1e-9
