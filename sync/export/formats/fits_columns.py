"""A FITS table whose rows arrive one by one: texts have a fixed width there, which is known only when all rows are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sync.export.formats.fits_blocks import as_ascii, table_header, text_dtype
from sync.export.formats.rows import Column
from sync.export.texts import Texts

__all__ = ["FitsTable", "fits_name"]

LONGEST_NAME = 40
"""Characters, quotes counting double: with what is written before a name that is taken, it fits a card of a header."""

LONGEST_TEXT = 1000
"""Characters. Each row of a table takes the room of the longest text: longer ones are cut and reported."""

NULLS = {int: -(2**63), bool: 255}
"""What says that there is nothing, by the type of a column."""


class FitsTable:
    """The types, the header and the bytes of a table.

    Parameters
    ----------
    columns : sequence of Column
        A column of bool that has nothing in some rows holds the whole numbers 0 and 1: FITS has no truth value that is
        missing which astropy reads.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = {place: 0 for place, column in enumerate(columns) if column.dtype is str}
        self._rows = 0

    def encode(self, rows: Sequence[Sequence[Any]], texts: Texts) -> list[list[Any]]:
        """Return rows of one record as FITS can hold them, and count them and the widths of their texts."""
        encoded = [
            [_cell(cell, column, texts, row[0]) for cell, column in zip(row, self._columns, strict=True)] for row in rows
        ]
        np.array([tuple(row) for row in encoded], dtype=self._dtype())  # raises for a number that the column cannot hold
        for place in self._widths:
            self._widths[place] = max(self._widths[place], *(len(row[place]) for row in encoded), 0)
        self._rows += len(encoded)
        return encoded

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return self._rows * self._dtype().itemsize

    def header(self, name: str) -> bytes:
        """Return the header of the rows that were encoded."""
        columns = self._columns
        return table_header(
            self._dtype(),
            name,
            rows=self._rows,
            units=tuple(column.unit for column in columns),
            comments=tuple(column.description for column in columns),
            ucds=tuple(column.ucd for column in columns),
            nulls=tuple(NULLS.get(column.dtype) if column.optional else None for column in columns),
            logical=tuple(column.dtype is bool and not column.optional for column in columns),
        )

    def data(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the bytes of rows that `encode` returned."""
        return np.array([tuple(row) for row in rows], dtype=self._dtype()).tobytes()

    def _dtype(self) -> np.dtype[np.void]:
        numbers = {int: ">i8", float: ">f8", bool: "u1"}
        forms = [numbers.get(column.dtype) or text_dtype(self._widths[place]) for place, column in enumerate(self._columns)]
        return np.dtype([(column.name, form) for column, form in zip(self._columns, forms, strict=True)])


def fits_name(name: str) -> str:
    """Write a column's name as FITS can hold it: ASCII, cut to `LONGEST_NAME`."""
    text = as_ascii(name).strip()
    while len(text) + text.count("'") > LONGEST_NAME:
        text = text[:-1].rstrip()
    return text


def _cell(cell: Any, column: Column, texts: Texts, task: object) -> Any:
    if column.dtype is str:
        return texts.cut("" if cell is None else cell, task=task, length=LONGEST_TEXT)
    if cell is None:
        return NULLS.get(column.dtype, np.nan)
    return (ord("T") if cell else ord("F")) if column.dtype is bool and not column.optional else cell
