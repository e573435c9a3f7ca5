"""Angles in catalogues: numbers in a unit, numbers as strings, and sexagesimal strings."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import Angle
from numpy.typing import NDArray

from sync.importing.inputs.item import InputError
from sync.importing.inputs.json_columns import json_values

__all__ = ["degrees"]

DECIMAL_COMMA = re.compile(r"\s*[+-]?\d{1,3},\d+\s*")
"""Number with a decimal comma; angles have no thousands separators."""
UNIT_IN_NAME = re.compile(r".*[\[(]\s*([A-Za-z\u00b0]+)\s*[\])]\s*$|.*_(rad|hours)$", re.IGNORECASE)


def degrees(column: Any, *, sexagesimal: units.UnitBase) -> NDArray[np.float64]:
    """Return the values of a column in degrees; NaN where a value is missing or not an angle.

    Parameters
    ----------
    column : Column
        Strings that Python can parse as numbers are numbers, because a single ``N/A`` makes a column one of strings. Numbers
        are in the column's unit, or in degrees if it has none.
    sexagesimal : Unit
        Unit of the first part of other strings: hour angle or degree.

    Raises
    ------
    InputError
        If the column has numbers in a unit that is not a unit of angles.
    """
    values = json_values(column)
    numbers = np.array([_number(value) for value in values], dtype=np.float64)
    if not np.isnan(numbers).all():
        unit = _unit(column, hours=sexagesimal == units.hourangle)
        numbers = units.Quantity(numbers, unit).to_value(units.deg)
    for index in np.flatnonzero(np.isnan(numbers)):
        if isinstance(values[index], str):
            numbers[index] = _sexagesimal(values[index], _unit_of_texts(column, sexagesimal))
    return numbers


def _number(value: Any) -> float:
    if isinstance(value, list) and len(value) == 1:  # FITS columns of arrays of one value
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return np.nan
    if isinstance(value, str) and DECIMAL_COMMA.fullmatch(value):
        value = value.replace(",", ".")
    try:
        return float(value)
    except ValueError:
        return np.nan


def _sexagesimal(text: str, unit: units.UnitBase) -> float:
    try:
        return float(Angle(text, unit).to_value(units.deg))
    except (ValueError, TypeError, units.UnitsError):
        return np.nan


def _unit_of_texts(column: Any, default: units.UnitBase) -> units.UnitBase:
    """Return the unit of the first part of sexagesimal strings: degrees if the column has this unit, else `default`."""
    return units.deg if str(getattr(column, "unit", None) or "").lower().startswith(("deg", "d:")) else default


def _unit(column: Any, *, hours: bool) -> units.UnitBase:
    """Return the unit of a column's numbers; spellings such as DEG, Degrees, hr and hours are accepted."""
    name = str(getattr(column, "unit", None) or "").strip().strip("\"'")
    is_declared = bool(name)
    if not name:
        match = UNIT_IN_NAME.match(str(column.info.name))
        name = (match[1] or match[2]) if match else ""
    if not name:
        return units.deg
    bare = name.lower().replace("\u00b0", "deg").rstrip(".").partition(" ")[0]
    for spelling in (name, name.lower(), name.lower().rstrip("s"), bare, bare.rstrip("s")):
        unit = units.Unit(spelling, parse_strict="silent")
        if unit.is_equivalent(units.deg):
            return unit
        if unit == units.hour and hours:
            return units.hourangle
    if not is_declared:  # brackets in a name can contain other text, such as J2000
        return units.deg
    raise InputError(f"the column {column.info.name!r} is in {name!r}, which is not a known unit of angles")
