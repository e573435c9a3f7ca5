"""Angles as catalogues write them: numbers in a unit, numbers written as texts, sexagesimal texts."""

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
"""No angle has thousands that a comma could separate."""
UNIT_IN_NAME = re.compile(r".*[\[(]\s*([A-Za-z\u00b0]+)\s*[\])]\s*$|.*_(rad|hours)$", re.IGNORECASE)


def degrees(column: Any, *, sexagesimal: units.UnitBase) -> NDArray[np.float64]:
    """Read a column as degrees; NaN where a value is missing or is no angle.

    Parameters
    ----------
    column : Column
        Whatever Python reads as a number is one, in the column's unit, or in degrees where it has none: a single ``N/A``
        makes texts of all numbers of a column.
    sexagesimal : Unit
        Of the first part of other texts: hour angle or degree.

    Raises
    ------
    SourceError
        If it holds numbers in a unit that is none of angles.
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


def _unit_of_texts(column: Any, usual: units.UnitBase) -> units.UnitBase:
    """The unit of the first part of sexagesimal texts: degrees where the column says so, though hours are usual."""
    return units.deg if str(getattr(column, "unit", None) or "").lower().startswith(("deg", "d:")) else usual


def _unit(column: Any, *, hours: bool) -> units.UnitBase:
    """The unit of a column's numbers, also as FITS files of all sorts name it: DEG, Degrees, hr, hours."""
    said = str(getattr(column, "unit", None) or "").strip().strip("\"'")
    is_said = bool(said)
    if not said:
        match = UNIT_IN_NAME.match(str(column.info.name))
        said = (match[1] or match[2]) if match else ""
    if not said:
        return units.deg
    bare = said.lower().replace("\u00b0", "deg").rstrip(".").partition(" ")[0]
    for name in (said, said.lower(), said.lower().rstrip("s"), bare, bare.rstrip("s")):
        unit = units.Unit(name, parse_strict="silent")
        if unit.is_equivalent(units.deg):
            return unit
        if unit == units.hour and hours:
            return units.hourangle
    if not is_said:  # what stands in a name's brackets may be anything, such as J2000
        return units.deg
    raise InputError(f"the column {column.info.name!r} is in {said!r}, which is no unit of angles that is known")
