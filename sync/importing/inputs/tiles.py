"""Tiles of a FITS mosaic, one per image and per plane of a cube; only the pixels of a cut-out are read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.nddata import NoOverlapError, overlap_slices
from numpy.typing import NDArray

from sync.errors.images import DAMAGE
from sync.errors.sky import SkyError
from sync.images.fits.reader import band_names, image_hdus
from sync.importing.inputs.item import InputError
from sync.sky.celestial import ARCSEC_A_DEGREE, CelestialSky
from sync.sky.reader import read_sky
from sync.sky.task_cards import window_cards

__all__ = ["MosaicTile", "Place", "read_tiles", "unit_vectors"]

Place = tuple[float, float]
"""Right ascension and declination, ICRS, degrees."""

PHOTOMETRY = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "PHOTFLAM", "PHOTPLAM", "PHOTZPT", "PHOTBW", "EXPTIME", "GAIN")
"""Cards of the photometric calibration."""
WIDEST_DEG = 60.0
"""Largest width of a tile whose extent is computed from its corners; the corners of an all-sky map coincide."""


@dataclass(frozen=True, eq=False)
class MosaicTile:
    """One plane of a mosaic.

    Attributes
    ----------
    file : Path
    band : str
        Name of the band; empty if neither the header nor an argument gives it.
    section : Section
        Section of astropy, which reads only the pixels of a slice from the disk.
    index : tuple of int and None
        Index of the plane in the array; None for its two celestial axes, rows first.
    shape : tuple of int
        Height and width, pixels.
    sky : CelestialSky
    unit : str
    photometry : mapping
        Cards of `PHOTOMETRY` in its header.
    middle : ndarray, shape (3,)
        Unit vector to its centre; 0 if that is outside the map.
    reach : float
        Cosine of the angle from the centre to the farthest corner.
    """

    file: Path
    band: str
    section: Any
    index: tuple[int | None, ...]
    shape: tuple[int, int]
    sky: CelestialSky
    unit: str
    photometry: Mapping[str, float | str]
    middle: NDArray[np.float64]
    reach: float

    def pixel_of(self, place: Place) -> tuple[float, float] | None:
        """Return the pixel (x, y) of a position, or None if it is outside the tile."""
        if unit_vectors(np.array([place]))[0] @ self.middle < self.reach:
            return None
        pixels = self.sky.pixels(np.array([place]))
        x, y = pixels[0].tolist()
        return (x, y) if self.sky.holds(pixels)[0] else None

    def contains_centre_of(self, other: MosaicTile) -> bool:
        """Return whether the centre of another tile is inside this one."""
        if self.middle @ other.middle < self.reach:  # true for most tiles; avoids the transformation
            return False
        height, width = other.shape
        ra, dec = other.sky.positions((width - 1) / 2, (height - 1) / 2)[0].tolist()
        return self.pixel_of((ra, dec)) is not None

    @property
    def is_double(self) -> bool:
        """Whether the values need double precision."""
        return _is_double(self.read(slice(0, 1), slice(0, 1)).dtype)

    def read(self, rows: slice, columns: slice) -> NDArray[np.floating]:
        """Read a rectangle of pixels."""
        slices = iter((rows, columns))
        part = np.asarray(self.section[tuple(next(slices) if number is None else number for number in self.index)])
        pixels: NDArray[np.floating] = part.astype(np.float64 if _is_double(part.dtype) else np.float32)
        return pixels

    def cut(self, x: float, y: float, side: int) -> tuple[NDArray[np.floating], CelestialSky]:
        """Return a square around a pixel, shape (side, side), with NaN beyond the edge, and its coordinates."""
        # First pixel of the square, computed as in astropy's `overlap_slices`.
        corner = math.ceil(x - side / 2), math.ceil(y - side / 2)
        cards, problems = window_cards(self.sky, corner, (side, side))
        sky = replace(read_sky(cards), omissions=problems)
        try:
            inside, slices_of_cut = overlap_slices(self.shape, (side, side), (y, x), mode="partial")
        except NoOverlapError:
            return np.full((side, side), np.nan, dtype=np.float32), sky
        part = self.read(*inside)
        plane = np.full((side, side), np.nan, dtype=part.dtype)
        plane[slices_of_cut] = part
        return plane, sky


def read_tiles(hdus: fits.HDUList, file: Path, *, band: str = "") -> Iterator[MosaicTile]:
    """Yield the tiles of an open file.

    Parameters
    ----------
    hdus : HDUList
    file : Path
        For messages.
    band : str
        Name of the band; by default, it is read from the header.

    Raises
    ------
    InputError
        If the file is damaged, contains no image, or an image has no celestial coordinates.
    """
    try:
        images = image_hdus(hdus)
    except DAMAGE as error:
        raise InputError(f"the mosaic {file} cannot be read as FITS: {error}") from error
    if not images:
        raise InputError(f"the mosaic {file} holds no image of two axes")
    for hdu in images:
        if 0 in hdu.shape:
            raise InputError(f"the mosaic {file} holds an image without pixels")
        try:
            sky = read_sky(hdu.header, hdus)
        except SkyError as error:
            raise InputError(f"the mosaic {file} has no celestial coordinates in its header: {error}") from error
        rows, columns = len(hdu.shape) - sky.axes.second, len(hdu.shape) - sky.axes.first
        if rows < 0:
            raise InputError(f"the mosaic {file} has its celestial coordinates on axes that its image lacks")
        shape = hdu.shape[rows], hdu.shape[columns]
        other_lengths = [length for axis, length in enumerate(hdu.shape) if axis not in (rows, columns)]
        planes = list(np.ndindex(*other_lengths))
        names = band_names(hdus[0].header, [hdu], len(planes)) or ("",) * len(planes)
        middle, reach = _extent(sky, shape)
        unit = str(hdu.header.get("BUNIT", "")).strip()
        photometry = _photometry(hdu.header, hdus[0].header)
        for number, (place, name) in enumerate(zip(planes, names, strict=True)):
            numbers = iter(place)
            index = tuple(None if axis in (rows, columns) else next(numbers) for axis in range(len(hdu.shape)))
            tile_band = name if not band else band if len(planes) == 1 else f"{band} {name or number}"
            yield MosaicTile(file, tile_band, hdu.section, index, shape, sky, unit, photometry, middle, reach)


def _photometry(*headers: fits.Header) -> dict[str, float | str]:
    """Return the cards of `PHOTOMETRY`, each from the first header that has it."""
    cards: dict[str, float | str] = {}
    for name in PHOTOMETRY:
        value = next((header[name] for header in headers if name in header), None)
        if isinstance(value, int | float | str):
            cards[name] = value
    return cards


def _is_double(dtype: np.dtype[Any]) -> bool:
    return not (dtype.itemsize <= 2 or dtype.newbyteorder("=") == np.float32)


def unit_vectors(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors, shape (n, 3), of right ascension and declination in degrees, shape (n, 2)."""
    ra, dec = np.radians(places).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def _extent(sky: CelestialSky, shape: tuple[int, int]) -> tuple[NDArray[np.float64], float]:
    """Return the unit vector to the centre of an image, and the cosine of the angle to its farthest corner, with a margin."""
    height, width = shape
    columns, rows = np.array([-1, -1, width, width, (width - 1) / 2]), np.array([-1, height, -1, height, (height - 1) / 2])
    vectors = unit_vectors(sky.positions(columns, rows))
    cosines = vectors[:4] @ vectors[4]
    wide = max(shape) * sky.pixel_scale_arcsec / ARCSEC_A_DEGREE > WIDEST_DEG
    if wide or not np.isfinite(cosines).all():
        return np.nan_to_num(vectors[4]), -2.0
    return vectors[4], float(cosines.min()) - 1e-9
