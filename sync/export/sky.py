"""Where the pixels of an image lie on the sky, by its FITS header or by what the task's data say.

Rows: a FITS file counts them from the bottom, and so do its WCS cards; Label Studio counts from the top, and shows the
file's first row at the bottom. So a displayed y becomes a FITS row by counting from the other end; an image that is
shown smaller or larger than it was measured is scaled as well.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from numpy.typing import NDArray

from sync.controls.shapes import Size
from sync.images.sky import SAME_FRAME

__all__ = ["NOWHERE", "Sky", "SkyError"]

MAX_CARDS = 400
STEP_PX = 0.5
"""How far from a point its neighbours are that say how the sky runs there, pixels."""

_NUMERIC = re.compile(r"(?:CRVAL|CRPIX|CDELT|CROTA)\d+|(?:CD|PC|PV)\d+_\d+")
"""Cards that astropy leaves out in silence where they are no numbers."""

_LONGITUDES = ("RA", "GLON")
"""Astropy takes ecliptic longitudes for right ascensions, and those of the Sun and of planets are no place for a galaxy."""

ARCSEC = 180 / np.pi * 3600


class SkyError(ValueError):
    """What a task says of the sky cannot be read; the message is one sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """What is known of an image's place on the sky.

    Attributes
    ----------
    wcs : astropy.wcs.WCS or None
        Celestial, of two axes.
    measured_size : (width, height) or None
        Of the image that `wcs` counts pixels of; None: as it is displayed.
    centre : (ra, dec) or None
        Of the galaxy that the image shows, ICRS degrees, as the task's data say.
    scale_arcsec : float or None
        Width of a pixel as the task's data say, arcsec.
    faults : tuple of str
        A sentence for each number of the task's data that makes no sense, and is left out.
    """

    wcs: WCS | None = None
    measured_size: Size | None = None
    centre: tuple[float, float] | None = None
    scale_arcsec: float | None = None
    faults: tuple[str, ...] = ()

    @classmethod
    def of_task(cls, data: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> Self:
        """Read the keys `wcs`, `ra`, `dec` and `pixel_scale_arcsec` of a task's data.

        A CSV file that Label Studio imported has texts for numbers, and an empty one for a missing number.

        Parameters
        ----------
        data : mapping
        header : mapping, optional
            Of the task's image where that is a FITS file: it goes before the data's `wcs`.

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
        centre = None if ra is None or dec is None else (ra, dec)
        cards = data.get("wcs") if header is None else header
        wcs, size = (None, None) if _is_missing(cards) else _read_wcs(cards)
        scale = numbers["pixel_scale_arcsec"] or None
        return cls(wcs=wcs, measured_size=size, centre=centre, scale_arcsec=scale, faults=tuple(faults))

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
        if self.wcs is None or not len(points):
            return np.full((len(points), 2), np.nan)
        width, height = self.measured_size or size
        columns = points[:, 0] * (width / size[0]) - 0.5
        rows = (size[1] - points[:, 1]) * (height / size[1]) - 0.5
        return _icrs(self.wcs, columns, rows)

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
        if self.wcs is None:
            return None
        wcs = self.wcs
        zoom = np.array(size) / (self.measured_size or size)
        if (zoom != 1).any():
            wcs = wcs.deepcopy()
            if wcs.sip is not None:  # its polynomials are of the measured pixels
                return None
            wcs.wcs.crpix = (wcs.wcs.crpix - 0.5) * zoom + 0.5
            if wcs.wcs.has_cd():
                wcs.wcs.cd = wcs.wcs.cd / zoom
            else:
                wcs.wcs.cdelt = wcs.wcs.cdelt / zoom
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return wcs.to_header(relax=True)


NOWHERE = Sky()


_RANGES = {"ra": (0.0, 360.0), "dec": (-90.0, 90.0), "pixel_scale_arcsec": (0.0, 1e6)}


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


def _icrs(wcs: WCS, columns: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Right ascension and declination of pixels, counted from 0 as FITS lays them; shape (n, 2), degrees."""
    longitude, latitude = wcs.all_pix2world(columns, rows, 0)
    frame = wcs_to_celestial_frame(wcs)
    if frame.name != "icrs":
        icrs = SkyCoord(longitude, latitude, unit="deg", frame=frame).icrs
        longitude, latitude = icrs.ra.deg, icrs.dec.deg
    return np.stack([longitude, latitude], axis=1)


def _read_wcs(cards: Any) -> tuple[WCS, Size | None]:
    if not isinstance(cards, Mapping) or len(cards) > MAX_CARDS:
        raise SkyError(f"the task's wcs must be an object of FITS header cards, {MAX_CARDS} at the most")
    for key, value in cards.items():
        if _NUMERIC.fullmatch(str(key)) and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise SkyError(f"the WCS card {key} must be a number, not {str(value)[:80]!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # astropy mends dates and units aloud
            header = cards if isinstance(cards, Header) else Header({str(key): value for key, value in cards.items()})
            wcs = WCS(header)
            wcs = wcs if wcs.naxis == 2 and wcs.has_celestial else wcs.celestial
    # astropy documents none of what its parsers raise on damaged cards
    except (AttributeError, ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise SkyError(f"the WCS cannot be read: {str(error).strip().splitlines()[0] if str(error) else error!r}") from error
    if wcs.naxis != 2:
        raise SkyError("the WCS has no celestial axes: CTYPE1 and CTYPE2 must name a projection such as RA---TAN, DEC--TAN")
    if not abs(np.linalg.det(wcs.pixel_scale_matrix)) > 0:
        raise SkyError("the WCS gives a pixel no area on the sky: CD1_1 to CD2_2, or CDELT1 and CDELT2, must span it")
    _check_frame(wcs)
    names = ("ZNAXIS1", "ZNAXIS2") if header.get("ZIMAGE", False) else ("NAXIS1", "NAXIS2")
    size = tuple(header.get(name) for name in names)
    return wcs, size if all(type(pixels) is int and pixels > 0 for pixels in size) else None


def _check_frame(wcs: WCS) -> None:
    """Find out here, where the task can be named, that places come out as ICRS."""
    system = str(wcs.wcs.radesys).strip().upper()
    wcs.wcs.radesys = SAME_FRAME.get(system, system)
    cause = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _icrs(wcs, np.zeros(1), np.zeros(1))
    # also what an impossible equinox raises
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        cause = error
    if cause is not None or wcs.wcs.lngtyp not in _LONGITUDES:
        axes = ", ".join(wcs.wcs.ctype)
        raise SkyError(
            f"the WCS ({axes}; RADESYS {system!r}) does not lead to ICRS: it must be equatorial or galactic, and RADESYS one of"
            " ICRS, FK5, FK4, FK4-NO-E"
        ) from cause
