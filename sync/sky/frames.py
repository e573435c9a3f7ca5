"""Celestial frames of headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame

from sync.errors.sky import SkyError
from sync.sky.cards import Value

__all__ = ["celestial_frame"]


def celestial_frame(wcs: WCS, cards: Mapping[str, Value]) -> Any:
    """Return astropy's frame of the longitudes and latitudes of a WCS.

    Ecliptic axes refer to the mean ecliptic and equinox of EQUINOX (Calabretta & Greisen 2002, A&A 395, 1077, section 3.1).
    astropy 8.0.2 treats them as right ascension and declination.

    Parameters
    ----------
    wcs : WCS
    cards : mapping
        Cards of the WCS.

    Raises
    ------
    SkyError
        If the axes are not celestial, or astropy does not implement the frame.
    """
    kind = str(wcs.wcs.lngtyp).strip()
    if kind == "RA" or kind == "GLON":
        return wcs_to_celestial_frame(wcs)
    if kind == "ELON":
        from astropy.coordinates import BarycentricMeanEcliptic
        from astropy.time import Time

        besselian = str(cards.get("RADESYS", "")).startswith("FK4")
        year = float(cards.get("EQUINOX", 1950.0 if besselian else 2000.0))
        return BarycentricMeanEcliptic(equinox=Time(year, format="byear" if besselian else "jyear"))
    if kind == "SLON":
        from astropy.coordinates import Supergalactic

        return Supergalactic()
    axes = ", ".join(str(name) for name in wcs.wcs.ctype)
    raise SkyError(
        f"the WCS ({axes}) does not lead to ICRS: it must be equatorial, galactic or ecliptic, not that of the Sun, a planet or"
        " the Earth"
    )
