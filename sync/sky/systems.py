"""Names of equatorial systems in headers of images and tables, and the corresponding frames of astropy."""

from __future__ import annotations

import re
from typing import Any

from astropy.coordinates import (
    FK4,
    FK5,
    ICRS,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    FK4NoETerms,
    Galactic,
    Supergalactic,
)
from astropy.time import Time

__all__ = ["STANDARD_SYSTEMS", "frame_of_system", "standard_system", "year_of_equinox"]

STANDARD_SYSTEMS = ("ICRS", "FK5", "FK4", "FK4-NO-E")
"""Values of ``RADESYS`` in the FITS standard from which positions can be converted to ICRS."""
YEARS = (1000.0, 3000.0)
"""Accepted range of an equinox; precession models are not valid for distant epochs."""
FIRST_YEAR_OF_FK5 = 1984.0
"""By the FITS standard, an earlier equinox without a system refers to FK4."""
_SYNONYMS = {
    "J2000": "FK5",
    "J2000.0": "FK5",
    "FK5/J2000": "FK5",
    "FK5 J2000": "FK5",
    "FK5J2000": "FK5",
    "B1950": "FK4",
    "B1950.0": "FK4",
    "FK4/B1950": "FK4",
    "FK4 B1950": "FK4",
    "ICRF": "ICRS",
    "ICRF2": "ICRS",
    "ICRF3": "ICRS",
    "ICRS/J2000": "ICRS",
    "ICRS J2000": "ICRS",
}
_OTHER_FRAMES = {
    "GALACTIC": Galactic,
    "GAL": Galactic,
    "SUPERGALACTIC": Supergalactic,
    "ECLIPTIC": BarycentricMeanEcliptic,
}
"""Names of frames in tables that are not equatorial, and their classes."""
_EQUINOX = re.compile(r"[JB]?\s*(\d{4}(\.\d*)?)", re.IGNORECASE)


def standard_system(text: str) -> str:
    """Return a system by its standard name; a name without a known synonym is returned in upper case."""
    name = text.strip().upper()
    return _SYNONYMS.get(name, name)


def year_of_equinox(value: object) -> float | None:
    """Return the year of an equinox such as 2000.0 or ``J2000``; None if it is not a year in `YEARS`."""
    if isinstance(value, str) and (match := _EQUINOX.fullmatch(value.strip())):
        value = float(match[1])
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if YEARS[0] <= value <= YEARS[1] else None


def frame_of_system(system: str, equinox: object = None) -> BaseCoordinateFrame | None:
    """Return the frame of a system and an equinox.

    Parameters
    ----------
    system : str
        Name such as ``FK4``; empty if only the equinox is given.
    equinox : object
        Year or text; any other value is ignored.

    Returns
    -------
    astropy frame or None
        None if the system is unknown, or neither is given.
    """
    name, year = standard_system(system), year_of_equinox(equinox)
    if not name and year is not None:
        name = "FK4" if year < FIRST_YEAR_OF_FK5 else "FK5"
    if name == "ICRS":
        return ICRS()
    if name == "FK5":
        return FK5(equinox=Time(2000.0 if year is None else year, format="jyear"))
    if name in ("FK4", "FK4-NO-E"):
        kind: Any = FK4 if name == "FK4" else FK4NoETerms
        return kind(equinox=Time(1950.0 if year is None else year, format="byear"))
    return _OTHER_FRAMES[name]() if name in _OTHER_FRAMES else None
