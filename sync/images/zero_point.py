"""Photometric zero point of a FITS image, from header cards or from the unit of its pixels."""

from __future__ import annotations

import math

from astropy.io import fits

from sync.images.fits.reader import FitsBands

__all__ = ["find_zero_point", "is_zero_point"]

ZERO_POINTS = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "PHOTZPT", "ABMAG0", "ZEROPNT")
"""Header cards with the magnitude of one unit."""
UNIT_ZERO_POINTS = {"nanomaggy": 22.5, "nmgy": 22.5, "maggy": 0.0, "jy": 8.9, "ujy": 23.9, "mjy": 16.4, "njy": 31.4}
"""Units and their AB magnitudes."""

LARGEST = 90.0
"""Numbers from here on (99, -99, 999) are placeholders for a missing zero point."""


def is_zero_point(value: float) -> bool:
    """Return whether a number can be a zero point: finite, and no placeholder for a missing one."""
    return math.isfinite(value) and abs(value) < LARGEST


def find_zero_point(bands: FitsBands, primary: fits.Header) -> tuple[float | None, str]:
    """Return the AB magnitude of one unit, and the header card or unit that gives it."""
    for header in (bands.header, primary):
        for name in ZERO_POINTS:
            value = _number(header, name)
            if value is not None and is_zero_point(value):
                return value, name
        flux, pivot = _number(header, "PHOTFLAM"), _number(header, "PHOTPLAM")
        if flux and pivot and flux > 0 and pivot > 0:  # HST: erg/s/cm2/Angstrom per unit/s, and the pivot wavelength
            return -2.5 * math.log10(flux) - 5 * math.log10(pivot) - 2.408, "PHOTFLAM and PHOTPLAM"
    unit = bands.unit.strip().lower().removesuffix("s")
    unit = {"nanomaggie": "nanomaggy", "maggie": "maggy"}.get(unit, unit)
    if unit in UNIT_ZERO_POINTS and not (unit == "mjy" and bands.unit.strip().startswith("M")):
        return UNIT_ZERO_POINTS[unit], f"BUNIT = {bands.unit}"
    return None, ""


def _number(header: fits.Header, name: str) -> float | None:
    try:
        value = header.get(name)
    except (fits.VerifyError, ValueError):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
