"""Incremental FITS tables: the fixed width of text columns is known only after the last row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sync.export.formats.fits_blocks import as_ascii, table_header, text_dtype
from sync.export.formats.rows import Column
from sync.export.texts import Texts

__all__ = ["FitsTable", "fits_name"]

LONGEST_NAME = 40
"""Characters, quotes counting double: with the prefix of a name that is already taken, the name fits a header card."""

LONGEST_TEXT = 1000
"""Characters. Each row of a table has the width of the longest text; longer texts are cut and reported."""

NULLS = {int: -(2**63), bool: 255}
"""Marker of missing values (TNULL), by the type of a column."""


class FitsTable:
    """Encodes the header and the rows of a table.

    Parameters
    ----------
    columns : sequence of Column
        An optional column of bool is written as the integers 0 and 1 with a TNULL, since astropy cannot read missing logical
        values.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = {place: 0 for place, column in enumerate(columns) if column.dtype is str}
        self._rows = 0

    def encode(self, rows: Sequence[Sequence[Any]], texts: Texts) -> list[list[Any]]:
        """Return the rows of one record as FITS can represent them, and update the number of rows and the widths of texts.

        Raises
        ------
        OverflowError
            If an integer exceeds 64 bits.
        """
        columns_of_bytes = [
            [_cell(cell, column, texts, row[0]) for cell, column in zip(row, self._columns, strict=True)] for row in rows
        ]
        np.array([tuple(row) for row in columns_of_bytes], dtype=self._dtype())  # raises if a column cannot hold a number
        for place in self._widths:
            self._widths[place] = max(self._widths[place], *(len(row[place]) for row in columns_of_bytes), 0)
        self._rows += len(columns_of_bytes)
        return columns_of_bytes

    @property
    def size(self) -> int:
        """Size of all rows, bytes."""
        return self._rows * self._dtype().itemsize

    def header(self, name: str) -> bytes:
        """Return the header of the table `name` with all encoded rows."""
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
    """Return a column's name as FITS can represent it: ASCII, cut to `LONGEST_NAME`."""
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
