"""Sky coordinates of the pixels of an image, from its FITS header or from the task's data.

FITS files and their WCS cards count rows from the bottom. Label Studio displays the file's first row at the bottom and counts y
from the top. The module therefore flips y, and scales coordinates if the displayed size differs from the size of the WCS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from sync.errors.sky import SkyError
from sync.geometry.shapes import Size
from sync.sky.celestial import CelestialSky
from sync.sky.reader import read_sky
from sync.sky.task_cards import image_cards

__all__ = ["NOWHERE", "Sky", "SkyError"]

STEP_PX = 0.5
"""Half the step of the central differences for the Jacobian of the WCS, pixels."""

FLAT_DEG = 5.0
"""Largest radius of an image of which the steps at its centre hold for the whole image, degrees."""
WIDE_DEG = 45.0
"""Radius above which an image counts as a map of the whole sky, degrees."""
GRID_POINTS = 33
"""Points per side of the grid on which a wide image is measured."""

ARCSEC = 180 / np.pi * 3600
"""Arcseconds per radian."""


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """Sky coordinates of an image.

    Attributes
    ----------
    celestial : CelestialSky or None
        WCS of the image; None if it has none.
    measured_size : (width, height) or None
        Size of the image that the pixels of `celestial` refer to; None if it is the displayed size.
    centre : (ra, dec) or None
        Position of the image's galaxy in the task's data, ICRS, degrees.
    scale_arcsec : float or None
        Width of a pixel in the task's data, arcsec.
    faults : tuple of str
        A sentence for each invalid number of the task's data, which is left out.
    """

    celestial: CelestialSky | None = None
    measured_size: Size | None = None
    centre: tuple[float, float] | None = None
    scale_arcsec: float | None = None
    faults: tuple[str, ...] = ()

    @classmethod
    def of_task(cls, data: Mapping[str, Any], image: CelestialSky | None = None) -> Self:
        """Read the keys `wcs`, `ra`, `dec` and `pixel_scale_arcsec` of a task's data.

        After Label Studio's import of a CSV file, numbers are texts, and missing numbers are empty texts.

        Parameters
        ----------
        data : mapping
            The task's data.
        image : CelestialSky, optional
            WCS of the task's image if that is a FITS file; it has priority over `wcs` in the data.

        Raises
        ------
        SkyError
            If the WCS is invalid. An invalid number is listed in `faults` instead.
        """
        faults: list[str] = []
        numbers = {}
        for key, (low, high) in _RANGES.items():
            try:
                numbers[key] = _number(data.get(key), key, low, high)
            except SkyError as error:
                numbers[key] = None
                faults.append(str(error))
        ra, dec = numbers["ra"], numbers["dec"]
        centre = None if ra is None or dec is None else (ra % 360.0, dec)
        cards = data.get("wcs")
        if image is None and not _is_missing(cards):
            if not isinstance(cards, Mapping):
                raise SkyError("the task's wcs must be an object of FITS header cards")
            image = read_sky(cards)
        size = None if image is None else image.size
        scale = numbers["pixel_scale_arcsec"] or None
        return cls(celestial=image, measured_size=size, centre=centre, scale_arcsec=scale, faults=tuple(faults))

    def positions(self, points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
        """Return the right ascension and declination of points.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            (x, y) on the displayed image, pixels from its top-left corner.
        size : (width, height)
            Size of the displayed image, pixels.

        Returns
        -------
        ndarray, shape (n, 2)
            ICRS, degrees; NaN if the image has no WCS, or where the WCS is undefined.
        """
        if self.celestial is None or not len(points):
            return np.full((len(points), 2), np.nan)
        width, height = self.measured_size or size
        columns = points[:, 0] * (width / size[0]) - 0.5
        rows = (size[1] - points[:, 1]) * (height / size[1]) - 0.5
        return self.celestial.positions(columns, rows)

    def steps(self, points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
        """Return the Jacobian of the WCS at points, from central differences.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            (x, y) on the displayed image, pixels from its top-left corner.
        size : (width, height)
            Size of the displayed image, pixels.

        Returns
        -------
        ndarray, shape (n, 2, 2)
            Arcsec per pixel: rows east and north, columns right (x) and down (y); NaN where unknown.
        """
        moves = np.array([[0, 0], [STEP_PX, 0], [0, STEP_PX], [-STEP_PX, 0], [0, -STEP_PX]])
        around = self.positions((points[:, None] + moves).reshape(-1, 2), size).reshape(-1, 5, 2)
        longitude, latitude = np.radians(around[..., 0]), np.radians(around[..., 1])
        vectors = np.stack(
            [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=-1
        )
        ra, dec, zero = longitude[:, 0], latitude[:, 0], np.zeros(len(points))
        east = np.stack([-np.sin(ra), np.cos(ra), zero], axis=-1)
        north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=-1)
        ahead = (vectors[:, 1:3] - vectors[:, 3:5]) * (ARCSEC / (2 * STEP_PX))
        return np.stack([np.einsum("nki,ni->nk", ahead, axis) for axis in (east, north)], axis=1)

    def circle(self, size: Size) -> tuple[tuple[float, float], float] | None:
        """Return the centre (ra, dec), degrees, and the radius, arcsec, of a circle on the sky that contains an image.

        A circle of more than `WIDE_DEG` is that of the whole sky. None without a WCS, or if no pixel has a position.
        """
        middle = np.array([[size[0] / 2, size[1] / 2]])
        (centre,) = self.positions(middle, size)
        (step,) = self.steps(middle, size)
        radius = max(float(np.hypot(*(step @ (size[0] / 2, sign * size[1] / 2)))) for sign in (1, -1))
        if np.isfinite([*centre, radius]).all() and radius < FLAT_DEG * 3600:
            return (float(centre[0]), float(centre[1])), radius
        # The steps at the centre do not hold for the whole of a wide image, and its centre may lie off the map.
        x, y = np.meshgrid(np.linspace(0, size[0], GRID_POINTS), np.linspace(0, size[1], GRID_POINTS))
        places = self.positions(np.stack([x.ravel(), y.ravel()], axis=1), size)
        places = np.radians(places[np.isfinite(places).all(axis=1)])
        if not len(places):
            return None
        longitude, latitude = places.T
        vectors = np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)])
        ra, dec = np.degrees(places[0] if not np.isfinite(centre).all() else np.radians(centre)).tolist()
        towards = np.radians((ra, dec))
        axis = (np.cos(towards[1]) * np.cos(towards[0]), np.cos(towards[1]) * np.sin(towards[0]), np.sin(towards[1]))
        largest = float(np.degrees(np.arccos(np.clip(axis @ vectors, -1, 1)).max()))
        return (ra, dec), (180.0 if largest > WIDE_DEG else largest * (1 + 4 / GRID_POINTS)) * 3600

    def header(self, size: Size) -> Header | None:
        """Return the WCS cards for an image of `size` (width, height); None if it has no WCS."""
        if self.celestial is None:
            return None
        cards = image_cards(self.celestial, size)
        return Header({key: value for key, value in cards.items() if not key.startswith("NAXIS")})


NOWHERE = Sky()
"""An image without sky coordinates."""


_RANGES = {"ra": (-360.0, 360.0), "dec": (-90.0, 90.0), "pixel_scale_arcsec": (0.0, 1e6)}


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number(value: Any, key: str, low: float, high: float) -> float | None:
    if _is_missing(value):
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or not low <= (number := float(value)) <= high:
            raise ValueError  # NaN as well
    except (OverflowError, ValueError):
        raise SkyError(f"the task's {key} must be a number from {low:g} to {high:g}, not {str(value)[:80]!r}") from None
    return number
