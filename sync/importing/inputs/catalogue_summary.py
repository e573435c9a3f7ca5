"""The size of a catalogue, its columns and its positions, without the whole table in memory where its format allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from sync.importing.inputs.catalogue import bad_rows, has_positions, is_parquet_table, name_failures, open_catalogue
from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_columns import sky_degrees

__all__ = ["CatalogueSummary", "summarise_catalogue"]

ROWS_AT_ONCE = 2**18
"""Rows that are converted at a time: the positions of a table take ten times its memory."""


@dataclass(frozen=True, slots=True)
class CatalogueSummary:
    """A catalogue without its values.

    Attributes
    ----------
    row_count, position_count : int
        Number of rows, and of those with a position.
    columns : tuple of str
    faulty_rows : mapping
        Numbers of unreadable rows, starting at 1, and the reasons.
    has_positions : bool
        Whether the columns of a position can be found without the user naming them.
    problem : str
        Why the positions cannot be read; empty if they can.
    """

    row_count: int
    position_count: int
    columns: tuple[str, ...]
    faulty_rows: Mapping[int, str]
    has_positions: bool
    problem: str


def summarise_catalogue(file: Path) -> CatalogueSummary:
    """Read a catalogue, a Parquet file in parts, and return what `galaxyloop inspect` shows of it.

    Raises
    ------
    InputError
        As `open_catalogue`.
    """
    with ExitStack() as stack:
        if is_parquet_table(file):
            stack.enter_context(name_failures(file))
            from sync.importing.inputs.parquet_table import read_parts  # pyarrow is an extra

            summary = _summarise(read_parts(file, rows=ROWS_AT_ONCE))
        else:
            table = open_catalogue(file)
            summary = _summarise(table[start : start + ROWS_AT_ONCE] for start in range(0, len(table), ROWS_AT_ONCE))
    if not summary.row_count or not summary.columns:
        raise InputError(f"{file} has no row")
    return summary


def _summarise(parts: Iterable[Table]) -> CatalogueSummary:
    row_count, position_count, problem = 0, 0, ""
    columns: tuple[str, ...] | None = None
    faulty_rows: Mapping[int, str] = {}
    finds_positions = False
    for part in parts:
        if columns is None:
            columns, faulty_rows, finds_positions = tuple(part.colnames), bad_rows(part), has_positions(part)
        columns = tuple(name for name in columns if name in part.colnames)  # others have values that a table cannot contain
        row_count += len(part)
        if finds_positions and not problem:
            try:
                position_count += _count_positions(part)
            except InputError as error:
                position_count, problem = 0, str(error)
    return CatalogueSummary(row_count, position_count, columns or (), faulty_rows, finds_positions, problem)


def _count_positions(table: Table) -> int:
    right, declination = sky_degrees(table)
    return int(np.count_nonzero(~(np.isnan(right) | np.isnan(declination))))
