"""Checks of the cards of the celestial axes, because astropy replaces missing or invalid values by 0 or 1."""

from __future__ import annotations

import re
from collections.abc import Mapping

from astropy import units

from sync.errors.sky import SkyError
from sync.sky.cards import UNREADABLE, Axes, Value, is_number
from sync.sky.systems import STANDARD_SYSTEMS, standard_system, year_of_equinox

__all__ = ["POLYNOMIALS", "check_cards"]

WHOLE_SKY_DEG = 180.0
"""Smallest width of an image that is a map of the whole sky if CRVAL is missing."""
POLYNOMIALS = ("A_", "B_", "AP_", "BP_")
"""Prefixes of the SIP cards."""
_UNITS = {
    "deg": "deg",
    "degs": "deg",
    "degree": "deg",
    "degrees": "deg",
    "arcmin": "arcmin",
    "arcmins": "arcmin",
    "arcminute": "arcmin",
    "arcminutes": "arcmin",
    "arcsec": "arcsec",
    "arcsecs": "arcsec",
    "arcsecond": "arcsec",
    "arcseconds": "arcsec",
    "asec": "arcsec",
    "mas": "mas",
    "rad": "rad",
    "rads": "rad",
    "radian": "rad",
    "radians": "rad",
}
"""Spellings of the units of angles; others are parsed by astropy."""


def check_cards(plane: Mapping[str, Value], axes: Axes, size: tuple[int, int] | None) -> dict[str, Value]:
    """Check the cards of the celestial axes and rewrite units and frames as in the standard.

    Parameters
    ----------
    plane : mapping
        Cards of axes 1 and 2, from `planar_cards`.
    axes : Axes
        Numbers of the axes in the file, for messages.
    size : (width, height) or None
        Size of the image, pixels.

    Raises
    ------
    SkyError
        If a needed card is missing or not a number.
    """
    cards: dict[str, Value] = {key: value for key, value in plane.items() if not _is_empty(value)}
    numbers = {"1": str(axes.first), "2": str(axes.second)}
    if _is_whole_sky(cards, size):  # the only images for which the default of the standard, 0, is plausible
        cards.setdefault("CRVAL1", 0.0)
        cards.setdefault("CRVAL2", 0.0)
    for axis in "12":
        cards[f"CTYPE{axis}"] = str(cards[f"CTYPE{axis}"]).strip().upper()
        _check_number(cards, f"CRVAL{axis}", f"CRVAL{numbers[axis]}")
        if f"CRPIX{axis}" in cards:
            _check_number(cards, f"CRPIX{axis}", f"CRPIX{numbers[axis]}")
        _write_unit(cards, axis, numbers[axis])
    _check_scale(cards, numbers)
    for key in [key for key in cards if key in ("LONPOLE", "LATPOLE") or key.startswith("PROJP")]:
        if not is_number(cards[key]):  # astropy then uses the default
            del cards[key]
    for key in [key for key in cards if key.startswith("PV")]:
        if not is_number(cards[key]):
            raise SkyError(f"the WCS card {_original_name(key, numbers)} must be a number, not {_quote(cards[key])}")
    _write_frame(cards, axes)
    for key, value in cards.items():
        if isinstance(value, float) and not is_number(value) and not key.startswith(POLYNOMIALS):
            raise SkyError(f"the WCS card {_original_name(key, numbers)} must be a finite number, not {_quote(value)}")
    return cards


def _is_empty(value: Value) -> bool:
    return isinstance(value, str) and not value.strip()


def _check_number(cards: Mapping[str, Value], key: str, name: str) -> None:
    if key not in cards:
        raise SkyError(f"the header gives no position: the WCS card {name} is missing or empty")
    if not is_number(cards[key]):
        raise SkyError(f"the header gives no position: the WCS card {name} must be a number, not {_quote(cards[key])}")


def _is_whole_sky(cards: Mapping[str, Value], size: tuple[int, int] | None) -> bool:
    step = cards.get("CDELT1", cards.get("CD1_1"))
    return size is not None and is_number(step) and abs(float(step or 0)) * size[0] >= WHOLE_SKY_DEG


def _quote(value: Value) -> str:
    return value if value == UNREADABLE and isinstance(value, str) else repr(value)[:80]


def _original_name(key: str, numbers: Mapping[str, str]) -> str:
    """Return the keyword in the file for `key`, in which the celestial axes have the numbers 1 and 2."""
    return re.sub(r"^([A-Z]+)([12])", lambda match: match[1] + numbers[match[2]], key)


def _check_scale(cards: dict[str, Value], numbers: Mapping[str, str]) -> None:
    """Check the cards that define the size of a pixel: CD, or PC or CROTA with CDELT; remove unused ones that are invalid."""
    matrix = [key for key in cards if key.startswith("CD") and "_" in key]
    scales = [key for key in ("CDELT1", "CDELT2") if key in cards]
    turns = [key for key in cards if key.startswith(("PC", "CROTA"))]
    keys_used = matrix + [key for key in turns if key.startswith("PC")] if matrix else scales + turns
    if not matrix:
        if any(key.startswith("PC") for key in turns):
            keys_used = [key for key in keys_used if not key.startswith("CROTA")]
        elif not scales:
            raise SkyError("the WCS gives a pixel no size: CD1_1 to CD2_2, or CDELT1 and CDELT2, are missing")
    for key in {*matrix, *scales, *turns} - set(keys_used):
        if not is_number(cards[key]):
            del cards[key]
    for key in keys_used:
        if not is_number(cards[key]):
            raise SkyError(f"the WCS card {_original_name(key, numbers)} must be a number, not {_quote(cards[key])}")


def _write_unit(cards: dict[str, Value], axis: str, name: str) -> None:
    text = cards.pop(f"CUNIT{axis}", "deg")
    unit = _UNITS.get(text.strip().lower().rstrip(".")) if isinstance(text, str) else None
    if unit is None and isinstance(text, str):
        unit = _parse_unit(text.strip())
    if unit is None:
        raise SkyError(f"the WCS card CUNIT{name} must be a unit of angles such as deg, arcsec or rad, not {_quote(text)}")
    if unit not in _UNITS:
        factor = float(units.Unit(unit).to("deg"))
        for key in [f"CRVAL{axis}", f"CDELT{axis}", f"CD{axis}_1", f"CD{axis}_2"]:
            value = cards.get(key)
            if isinstance(value, int | float):
                cards[key] = value * factor
        unit = "deg"
    cards[f"CUNIT{axis}"] = unit


def _parse_unit(text: str) -> str | None:
    try:
        unit = units.Unit(text)
        unit.to("deg")
    except (TypeError, ValueError):  # UnitConversionError is a TypeError
        return None
    return str(unit.to_string())


def _write_frame(cards: dict[str, Value], axes: Axes) -> None:
    """Write RADESYS and EQUINOX for equatorial and ecliptic axes; for others they have no meaning."""
    system, equinox = cards.pop("RADECSYS", ""), cards.pop("EPOCH", None)
    system, equinox = cards.pop("RADESYS", system), cards.pop("EQUINOX", equinox)
    longitude = str(cards["CTYPE1" if axes.longitude == axes.first else "CTYPE2"])
    if not longitude.startswith(("RA", "ELON")):
        return
    systems = ", ".join(STANDARD_SYSTEMS)
    if not isinstance(system, str):
        raise SkyError(f"the WCS card RADESYS must be one of {systems}, not {_quote(system)}")
    name = standard_system(system)
    if name and name not in STANDARD_SYSTEMS:
        raise SkyError(f"RADESYS = {system.strip()[:80]!r} does not lead to ICRS: it must be one of {systems}")
    if name:
        cards["RADESYS"] = name
    if name == "ICRS" or equinox is None or (isinstance(equinox, float) and equinox != equinox):
        return  # programs write NaN for a missing equinox
    year = year_of_equinox(equinox)
    if year is None:
        raise SkyError(f"the WCS card EQUINOX must be a year such as 2000.0, not {_quote(equinox)}")
    cards["EQUINOX"] = year
