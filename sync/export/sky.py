"""Where the pixels of an image lie on the sky, by its FITS header or by what the task's data say.

Rows: a FITS file counts them from the bottom, and so do its WCS cards; Label Studio counts from the top, and shows the
file's first row at the bottom. So a displayed y becomes a FITS row by counting from the other end; an image that is
shown smaller or larger than it was measured is scaled as well.
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
"""How far from a point its neighbours are that say how the sky runs there, pixels."""

ARCSEC = 180 / np.pi * 3600


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """What is known of an image's place on the sky.

    Attributes
    ----------
    celestial : CelestialSky or None
        Coordinates of the image.
    measured_size : (width, height) or None
        Of the image that `celestial` counts pixels of; None: as it is displayed.
    centre : (ra, dec) or None
        Of the galaxy that the image shows, ICRS degrees, as the task's data say.
    scale_arcsec : float or None
        Width of a pixel as the task's data say, arcsec.
    faults : tuple of str
        A sentence for each number of the task's data that makes no sense, and is left out.
    """

    celestial: CelestialSky | None = None
    measured_size: Size | None = None
    centre: tuple[float, float] | None = None
    scale_arcsec: float | None = None
    faults: tuple[str, ...] = ()

    @classmethod
    def of_task(cls, data: Mapping[str, Any], image: CelestialSky | None = None) -> Self:
        """Read the keys `wcs`, `ra`, `dec` and `pixel_scale_arcsec` of a task's data.

        A CSV file that Label Studio imported has texts for numbers, and an empty one for a missing number.

        Parameters
        ----------
        data : mapping
        image : CelestialSky, optional
            Coordinates of the task's image where that is a FITS file: they go before the data's `wcs`.

        Raises
        ------
        SkyError
            If there is a WCS that makes no sense. A number that makes none is one of `faults`, and the rest is kept.
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
        """Return right ascension and declination of points.

        Parameters
        ----------
        points : ndarray, shape (n, 2)
            (x, y) on the displayed image, pixels from its top-left corner.
        size : (width, height)
            Of the displayed image, pixels.

        Returns
        -------
        ndarray, shape (n, 2)
            ICRS, degrees; NaN where the image has no WCS, or none there.
        """
        if self.celestial is None or not len(points):
            return np.full((len(points), 2), np.nan)
        width, height = self.measured_size or size
        columns = points[:, 0] * (width / size[0]) - 0.5
        rows = (size[1] - points[:, 1]) * (height / size[1]) - 0.5
        return self.celestial.positions(columns, rows)

    def steps(self, points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
        """Return how far a pixel to the right, and one down, lead on the sky.

        Returns
        -------
        ndarray, shape (n, 2, 2)
            First axis east and north, second one right and down, arcsec; NaN where unknown.
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

    def header(self, size: Size) -> Header | None:
        """Return the WCS cards of an image of `size`, None where there is none."""
        if self.celestial is None:
            return None
        cards = image_cards(self.celestial, size)
        return Header({key: value for key, value in cards.items() if not key.startswith("NAXIS")})


NOWHERE = Sky()


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
