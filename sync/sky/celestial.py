"""Where the pixels of an image lie on the sky: from pixels to ICRS and back, whatever the header's projection and frame."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from astropy.coordinates import ICRS, SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales
from numpy.typing import NDArray

from sync.sky.cards import Axes, Value

__all__ = ["ARCSEC_A_DEGREE", "CelestialSky"]

ARCSEC_A_DEGREE = 3600.0
CYLINDRICAL = ("CAR", "CEA", "CYP", "MER")
"""Projections whose columns go on where a map of the whole sky ends."""
EDGE_PX = 1e-6
"""By which a place on the very edge of an image may miss it for rounding, pixels."""
SAME_PIXEL = 1e-3
"""Pixels by which the way from the sky back to a pixel may miss it; farther off, the place is not on the image."""


@dataclass(frozen=True, eq=False)
class CelestialSky:
    """Celestial coordinates of an image.

    Attributes
    ----------
    wcs : astropy.wcs.WCS
        Of two axes, with all distortions that could be read; declination may be its first. Do not change it: make a copy.
    frame : astropy frame
        In which `wcs` gives its longitudes and latitudes; `positions` and `pixels` are in ICRS.
    axes : Axes
        Which axes of the file's array the two are, counted from 1 as FITS does: (1, 2) in nearly all files.
    size : (width, height) or None
        Of the image along these axes, pixels, where the header tells.
    omitted : tuple of str
        A sentence for each part of a distortion that is left out of `wcs`.
    cards : mapping
        The cards from which `wcs` was made, of the two axes alone.
    """

    wcs: WCS
    frame: Any
    axes: Axes
    size: tuple[int, int] | None = None
    omitted: tuple[str, ...] = ()
    cards: Mapping[str, Value] = field(default_factory=dict)

    @property
    def has_tables(self) -> bool:
        """Whether `wcs` has lookup tables, which no header cards can carry."""
        wcs = self.wcs
        return any(table is not None for table in (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2))

    @cached_property
    def turn_px(self) -> NDArray[np.float64] | None:
        """Columns and rows that make a turn of 360 degrees on a cylindrical map; None for other projections."""
        code = str(self.wcs.wcs.ctype[self.wcs.wcs.lng])[-3:]
        if code not in CYLINDRICAL or self.wcs.has_distortion:
            return None
        turn = np.zeros(2)
        turn[self.wcs.wcs.lng] = 360.0
        pixels: NDArray[np.float64] = np.linalg.solve(self.wcs.pixel_scale_matrix, turn)
        return pixels

    @cached_property
    def pixel_scale_arcsec(self) -> float:
        """Width of a pixel at the reference point, arcsec: the mean of both axes."""
        return float(np.mean(proj_plane_pixel_scales(self.wcs))) * ARCSEC_A_DEGREE

    def positions(self, columns: NDArray[np.float64] | float, rows: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return right ascension and declination of pixels.

        Parameters
        ----------
        columns, rows : ndarray, shape (n,), or float
            Counted from 0 as FITS lays them: the middle of the first pixel of the first row is (0, 0).

        Returns
        -------
        ndarray, shape (n, 2)
            ICRS, degrees, right ascension in [0, 360); NaN where a pixel lies off the map.
        """
        pixels = np.stack(np.broadcast_arrays(np.atleast_1d(columns), np.atleast_1d(rows)), axis=1).astype(np.float64)
        if not len(pixels):
            return np.zeros((0, 2))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of ERFA, about dates
            world = self.wcs.all_pix2world(pixels, 0)
            places = world[:, [self.wcs.wcs.lng, self.wcs.wcs.lat]]
            valid = np.isfinite(places).all(axis=1) & (np.abs(places[:, 1]) <= 90)
            places[~valid] = np.nan
            if valid.any() and not isinstance(self.frame, ICRS):
                icrs = SkyCoord(*places[valid].T, unit="deg", frame=self.frame).icrs
                places[valid] = np.stack([icrs.ra.deg, icrs.dec.deg], axis=1)
            places[:, 0] %= 360.0
            places[places[:, 0] == 360.0, 0] = 0.0  # what is left of a negative number that is almost 0
        return np.asarray(places, dtype=np.float64)

    def pixels(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the pixels of places on the sky.

        Parameters
        ----------
        places : ndarray, shape (n, 2)
            ICRS, degrees.

        Returns
        -------
        ndarray, shape (n, 2)
            Column and row, counted from 0 as FITS lays them, also beyond the edges of the image; NaN where the projection does
            not reach, or a distortion does not lead back.
        """
        places = np.asarray(places, dtype=np.float64).reshape(-1, 2)
        pixels = np.full(places.shape, np.nan)
        valid = np.isfinite(places).all(axis=1) & (np.abs(places[:, 1]) <= 90)
        if not valid.any():
            return pixels
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            world = np.empty((int(valid.sum()), 2))
            longitude, latitude = places[valid].T
            if not isinstance(self.frame, ICRS):
                own = SkyCoord(longitude, latitude, unit="deg", frame="icrs").transform_to(self.frame).spherical
                longitude, latitude = own.lon.deg, own.lat.deg
            world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = longitude, latitude
            pixels[valid] = self.wcs.all_world2pix(world, 0, tolerance=EDGE_PX, quiet=True)
            if self.wcs.has_distortion:
                back = self.wcs.all_pix2world(pixels[valid], 0)
                missed = np.abs(self.wcs.wcs_world2pix(back, 0) - self.wcs.wcs_world2pix(world, 0)).max(axis=1)
                pixels[np.flatnonzero(valid)[~(missed < SAME_PIXEL)]] = np.nan
        pixels[~np.isfinite(pixels).all(axis=1)] = np.nan
        return self._on_the_image(pixels)

    def _on_the_image(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move pixels of a cylindrical map that lie beyond its edge by a turn, where that brings them onto the image."""
        if self.size is None or self.turn_px is None:
            return pixels
        for turn in (self.turn_px, -self.turn_px):
            moved = pixels + turn
            better = ~self.holds(pixels) & self.holds(moved)
            pixels = np.where(better[:, None], moved, pixels)
        return pixels

    def holds(self, pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether pixels, shape (n, 2), lie on the image; of an image whose size is not known, all do."""
        size = np.array((np.inf, np.inf) if self.size is None else self.size)
        with np.errstate(invalid="ignore"):
            inside: NDArray[np.bool_] = np.all((pixels >= -0.5 - EDGE_PX) & (pixels <= size - 0.5 + EDGE_PX), axis=1)
        return inside
