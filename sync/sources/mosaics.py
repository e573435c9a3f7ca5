"""Cut-outs around positions from FITS mosaics of this machine: a plane a band, on the pixels of the first band."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import NoOverlapError, overlap_slices
from astropy.wcs import WCS, Sip
from astropy.wcs.utils import pixel_to_pixel, proj_plane_pixel_scales
from numpy.typing import NDArray

from sync.images.errors import DAMAGE, ImageError
from sync.images.sky import ARCSEC_A_DEGREE, celestial
from sync.sources.catalogue import Position
from sync.sources.cube import write_cube
from sync.sources.item import SourceError

__all__ = ["Mosaics"]

SAME_PIXELS = 0.01
"""Pixels by which the grids of two mosaics may differ and still be cut alike; anything more is resampled."""
MAX_SIDE_PX = 4096
MARGIN_PX = 8
"""Pixels around a cut-out that its resampling may need."""


@dataclass(frozen=True)
class _Mosaic:
    file: Path
    section: Any  # gives an array when sliced, and reads only that from the disk
    shape: tuple[int, int]
    wcs: WCS
    unit: str

    def covers(self, x: float, y: float) -> bool:
        height, width = self.shape
        return bool(-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5)


class Mosaics:
    """Mosaics of one or more fields, kept open; a context manager.

    Parameters
    ----------
    files : sequence of Path
        One band each, the bluest band first; several files of one band (`FILTER`, `BAND` or the start of the file's
        name) are tiles of it.

    Raises
    ------
    SourceError
        If a file cannot be read, or has no image of two axes or no celestial coordinates.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._open: list[fits.HDUList] = []
        self._lock = threading.Lock()  # astropy's files have one position for all threads
        self._bands: dict[str, list[_Mosaic]] = {}
        try:
            for file in files:
                band, mosaic = self._read(file)
                self._bands.setdefault(band, []).append(mosaic)
        except SourceError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for file in self._open:
            file.close()

    def cut(self, position: Position, *, fov_arcsec: float) -> bytes:
        """Cut a square around a position.

        Parameters
        ----------
        position : Position
        fov_arcsec : float
            Side of the square; rounded to pixels of the first band.

        Returns
        -------
        bytes
            A FITS file: a plane a band, the world coordinates of the cut-out, NaN beyond a mosaic's edge.

        Raises
        ------
        ImageError
            If a band does not cover the position, or has no valid pixel there.
        """
        bands = {band: self._tile(tiles, band, position) for band, tiles in self._bands.items()}
        (first, x, y), *others = bands.values()
        side = max(1, round(fov_arcsec / ARCSEC_A_DEGREE / float(np.mean(proj_plane_pixel_scales(first.wcs)))))
        if side > MAX_SIDE_PX:
            raise ImageError(f"{fov_arcsec:g} arcsec are {side} pixels of {first.file.name}: {MAX_SIDE_PX} are the most")
        with self._lock:
            plane, wcs = _slice(first, x, y, side)
            planes = [plane, *(_plane(mosaic, wcs, side) for mosaic, _, _ in others)]
        for name, plane in zip(bands, planes, strict=True):
            if not np.isfinite(plane).any():
                raise ImageError(f"the {name} mosaic has no valid pixel {_around(position)}")
        return write_cube(np.stack(planes), wcs, bands=tuple(bands), unit=first.unit)

    def _read(self, file: Path) -> tuple[str, _Mosaic]:
        try:
            opened = fits.open(file, memmap=True)
            self._open.append(opened)
            image = next((hdu for hdu in opened if hdu.is_image and len(hdu.shape) == 2), None)
        except DAMAGE as error:
            raise SourceError(f"the mosaic {file} cannot be read as FITS: {error}") from error
        if image is None:
            raise SourceError(f"the mosaic {file} holds no image of two axes")
        wcs = celestial(image.header)
        if wcs is None:
            raise SourceError(f"the mosaic {file} has no celestial coordinates in its header")
        band = str(image.header.get("FILTER") or image.header.get("BAND") or file.name.split(".")[0]).strip()
        unit = str(image.header.get("BUNIT", "")).strip()
        return band, _Mosaic(file, image.section, image.shape, wcs, unit)

    def _tile(self, tiles: Sequence[_Mosaic], band: str, position: Position) -> tuple[_Mosaic, float, float]:
        """The first tile of a band that covers a position, and the position's pixel in it."""
        for tile in tiles:
            x, y = (float(value) for value in tile.wcs.world_to_pixel(SkyCoord(position.ra, position.dec, unit="deg")))
            if tile.covers(x, y):
                return tile, x, y
        raise ImageError(f"no {band} mosaic covers the place {_around(position)}")


def _plane(mosaic: _Mosaic, target: WCS, side: int) -> NDArray[np.float32]:
    """One band on the pixels of `target`, shape (side, side): sliced where they are the same, resampled otherwise."""
    corners = np.array([[0, 0, side - 1, side - 1], [0, side - 1, 0, side - 1]], dtype=float)
    theirs = np.array(pixel_to_pixel(target, mosaic.wcs, *corners))
    shift = theirs - corners
    x, y = theirs.mean(axis=1)
    if np.ptp(shift, axis=1).max() < SAME_PIXELS and np.abs(shift - np.rint(shift)).max() < SAME_PIXELS:
        return _slice(mosaic, float(x), float(y), side)[0]
    try:
        from reproject import reproject_interp  # brings dask: only where bands lie on different pixels
    except ModuleNotFoundError as error:
        raise SourceError("bands on different pixels need reproject: install galaxyloop[import]") from error
    part = _slice(mosaic, float(x), float(y), int(np.ceil(np.ptp(theirs, axis=1).max())) + 2 * MARGIN_PX)
    resampled = reproject_interp(part, target, shape_out=(side, side), return_footprint=False)
    return np.asarray(resampled, dtype=np.float32)


def _slice(mosaic: _Mosaic, x: float, y: float, side: int) -> tuple[NDArray[np.float32], WCS]:
    """A square of a mosaic around a pixel, shape (side, side), NaN beyond its edge, with its world coordinates."""
    plane = np.full((side, side), np.nan, dtype=np.float32)
    try:
        inside, here = overlap_slices(mosaic.shape, plane.shape, (y, x), mode="partial")
    except NoOverlapError:
        return plane, mosaic.wcs
    plane[here] = mosaic.section[inside]
    wcs = copy.deepcopy(mosaic.wcs)
    wcs.wcs.crpix -= (inside[1].start - here[1].start, inside[0].start - here[0].start)
    if wcs.sip is not None:
        wcs.sip = Sip(wcs.sip.a, wcs.sip.b, wcs.sip.ap, wcs.sip.bp, wcs.wcs.crpix)
    return plane, wcs


def _around(position: Position) -> str:
    return f"at ra {position.ra:.5f}, dec {position.dec:.5f}"
