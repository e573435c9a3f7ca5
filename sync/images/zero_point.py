"""Photometric zero point of a FITS image, from header cards or from the unit of its pixels."""

from __future__ import annotations

import math

from astropy.io import fits

from sync.images.fits.card_values import quote_unusable, read_number
from sync.images.fits.reader import FitsBands

__all__ = ["explain_unused_zero_point", "find_zero_point", "is_zero_point"]

ZERO_POINTS = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "PHOTZPT", "ABMAG0", "ZEROPNT")
"""Header cards with the magnitude of one unit."""
FLUX_CARDS = "PHOTFLAM and PHOTPLAM"
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
            value = read_number(header, name)
            if value is not None and is_zero_point(value):
                return value, name
        flux, pivot = read_number(header, "PHOTFLAM"), read_number(header, "PHOTPLAM")
        if flux and pivot and flux > 0 and pivot > 0:  # HST: erg/s/cm2/Angstrom per unit/s, and the pivot wavelength
            return -2.5 * math.log10(flux) - 5 * math.log10(pivot) - 2.408, FLUX_CARDS
    unit = bands.unit.strip().lower().removesuffix("s")
    unit = {"nanomaggie": "nanomaggy", "maggie": "maggy"}.get(unit, unit)
    if unit in UNIT_ZERO_POINTS and not (unit == "mjy" and bands.unit.strip().startswith("M")):
        return UNIT_ZERO_POINTS[unit], f"BUNIT = {bands.unit}"
    return None, ""


def explain_unused_zero_point(bands: FitsBands, primary: fits.Header) -> str:
    """Return the sentence that quotes cards of a zero point that cannot be used; empty without any, or if another card is."""
    if find_zero_point(bands, primary)[1] in (*ZERO_POINTS, FLUX_CARDS):
        return ""
    bad_cards = quote_unusable((bands.header, primary), ZERO_POINTS, is_zero_point)
    return f"the zero point of the header is not used: {bad_cards}" if bad_cards else ""
