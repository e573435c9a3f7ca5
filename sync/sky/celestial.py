"""Celestial coordinates of an image: from pixels to ICRS and back, for all projections and frames."""

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
"""Projections that repeat beyond the edge of a map of the whole sky."""
EDGE_PX = 1e-6
"""Tolerance for rounding at the edge of an image, pixels."""
SAME_PIXEL = 1e-3
"""Tolerance of the inverse transformation, pixels; a position with a larger error is not on the image."""


@dataclass(frozen=True, eq=False)
class CelestialSky:
    """Celestial coordinates of an image.

    Attributes
    ----------
    wcs : astropy.wcs.WCS
        Coordinates of two axes with all distortions that could be read; the first axis may be declination. Read-only: copy it
        before a change.
    frame : astropy frame
        Frame of the longitudes and latitudes of `wcs`; `positions` and `pixels` use ICRS.
    axes : Axes
        Celestial axes of the file's array: 1 and 2 in nearly all files.
    size : (width, height) or None
        Size of the image along these axes, pixels; None if the header does not give it.
    omissions : tuple of str
        A sentence for each part of a distortion that `wcs` lacks.
    cards : mapping
        Cards from which `wcs` was made, of the two axes only.
    """

    wcs: WCS
    frame: Any
    axes: Axes
    size: tuple[int, int] | None = None
    omissions: tuple[str, ...] = ()
    cards: Mapping[str, Value] = field(default_factory=dict)

    @property
    def has_tables(self) -> bool:
        """Whether `wcs` has lookup tables, which header cards cannot represent."""
        wcs = self.wcs
        return any(table is not None for table in (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2))

    @cached_property
    def turn_px(self) -> NDArray[np.float64] | None:
        """Columns and rows of a turn of 360 degrees on a cylindrical map; None for other projections."""
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
            Counted from 0 in the order of the FITS array: the centre of the first pixel of the first row is (0, 0).

        Returns
        -------
        ndarray, shape (n, 2)
            ICRS, degrees, right ascension in [0, 360); NaN for a pixel outside the map.
        """
        pixels = np.stack(np.broadcast_arrays(np.atleast_1d(columns), np.atleast_1d(rows)), axis=1).astype(np.float64)
        if not len(pixels):
            return np.zeros((0, 2))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # ERFA warns about dates
            world = self.wcs.all_pix2world(pixels, 0)
            places = world[:, [self.wcs.wcs.lng, self.wcs.wcs.lat]]
            valid = np.isfinite(places).all(axis=1) & (np.abs(places[:, 1]) <= 90)
            places[~valid] = np.nan
            if valid.any() and not isinstance(self.frame, ICRS):
                icrs = SkyCoord(*places[valid].T, unit="deg", frame=self.frame).icrs
                places[valid] = np.stack([icrs.ra.deg, icrs.dec.deg], axis=1)
            places[:, 0] %= 360.0
            places[places[:, 0] == 360.0, 0] = 0.0  # the remainder of a negative number close to 0
        return np.asarray(places, dtype=np.float64)

    def pixels(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the pixels of positions on the sky.

        Parameters
        ----------
        places : ndarray, shape (n, 2)
            ICRS, degrees.

        Returns
        -------
        ndarray, shape (n, 2)
            Column and row, counted from 0 in the order of the FITS array, also beyond the edges of the image; NaN if the
            projection does not cover the position or a distortion has no inverse there.
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
                own_coordinates = SkyCoord(longitude, latitude, unit="deg", frame="icrs").transform_to(self.frame).spherical
                longitude, latitude = own_coordinates.lon.deg, own_coordinates.lat.deg
            world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = longitude, latitude
            pixels[valid] = self.wcs.all_world2pix(world, 0, tolerance=EDGE_PX, quiet=True)
            if self.wcs.has_distortion:
                back = self.wcs.all_pix2world(pixels[valid], 0)
                errors_px = np.abs(self.wcs.wcs_world2pix(back, 0) - self.wcs.wcs_world2pix(world, 0)).max(axis=1)
                pixels[np.flatnonzero(valid)[~(errors_px < SAME_PIXEL)]] = np.nan
        pixels[~np.isfinite(pixels).all(axis=1)] = np.nan
        return self._move_onto_image(pixels)

    def _move_onto_image(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move pixels beyond the edge of a cylindrical map by one turn if they are then on the image."""
        if self.size is None or self.turn_px is None:
            return pixels
        for turn in (self.turn_px, -self.turn_px):
            moved_pixels = pixels + turn
            is_better = ~self.holds(pixels) & self.holds(moved_pixels)
            pixels = np.where(is_better[:, None], moved_pixels, pixels)
        return pixels

    def holds(self, pixels: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether pixels, shape (n, 2), are on the image; True for all if its size is unknown."""
        size = np.array((np.inf, np.inf) if self.size is None else self.size)
        with np.errstate(invalid="ignore"):
            inside: NDArray[np.bool_] = np.all((pixels >= -0.5 - EDGE_PX) & (pixels <= size - 0.5 + EDGE_PX), axis=1)
        return inside
