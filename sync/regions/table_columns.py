"""Columns of a catalogue by their usual names, as numbers, angles and texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Table
from numpy.typing import NDArray

from sync.regions.marks import RegionsError

__all__ = ["TableColumns", "text_of_cell"]


class TableColumns:
    """Columns of a table, found by their names in lower case.

    Parameters
    ----------
    table : Table
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._by_lower = {str(name).strip().lower(): str(name) for name in reversed(table.colnames)}

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, name: str) -> bool:
        return name in self._by_lower

    def name_of(self, name: str) -> str:
        """Return the name of a column as the table spells it; empty if the table does not have it."""
        return self._by_lower.get(name.lower(), "")

    def find(self, names: Iterable[str]) -> str | None:
        """Return the first of `names` that is a column; None if the table has none of them."""
        return next((name for name in names if name in self._by_lower), None)

    def numbers(self, name: str | None) -> NDArray[np.float64]:
        """Return a column as numbers, NaN for masked values; all NaN if `name` is None.

        Raises
        ------
        RegionsError
            If the column does not hold numbers.
        """
        if name is None:
            return np.full(len(self._table), np.nan)
        column: Any = self._table[self._by_lower[name]]
        try:
            numbers: Any = np.ma.MaskedArray(getattr(column, "value", column))  # type: ignore[no-untyped-call]
            values: NDArray[np.float64] = numbers.astype(np.float64).filled(np.nan)
        except (TypeError, ValueError) as error:
            raise RegionsError(f"the column {self._by_lower[name]} does not hold numbers") from error
        return values

    def angles(self, names: Iterable[str]) -> NDArray[np.float64]:
        """Return the angles of the first existing column of `names`, degrees; 0 without one.

        Raises
        ------
        RegionsError
            If the column does not hold numbers, or its unit is not a unit of angles.
        """
        name = self.find(names)
        return np.zeros(len(self._table)) if name is None else self.degrees(name, units.deg)

    def degrees(self, name: str, unit: units.Unit | None) -> NDArray[np.float64]:
        """Return a column in degrees, from the unit of the column, else from `unit`.

        Raises
        ------
        RegionsError
            If the column does not hold numbers, has no unit, or its unit is not a unit of angles.
        """
        column = self._by_lower[name]
        column_unit = getattr(self._table[column], "unit", None) or unit
        if column_unit is None:
            raise RegionsError(f"the column {column} has no unit: add one, or name the columns a_arcsec and b_arcsec")
        try:
            factor = float(units.Unit(column_unit).to(units.deg))
        except (units.UnitConversionError, ValueError, TypeError) as error:
            raise RegionsError(f"the column {column} has the unit {column_unit}, which is not a unit of angles") from error
        return self.numbers(name) * factor

    def texts(self, names: Iterable[str]) -> list[str] | None:
        """Return the texts of the first existing column of `names`; None without one."""
        name = self.find(names)
        return None if name is None else [text_of_cell(value) for value in self._table[self._by_lower[name]]]


def text_of_cell(value: Any) -> str:
    """Return the text of a cell, without outer spaces; empty for a missing value."""
    if value is np.ma.masked or value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip()
