"""Catalogues: rows with a position or an address, whose columns travel with the task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Table

from sync.sources.angles import degrees
from sync.sources.csv_table import read_csv
from sync.sources.item import SourceError
from sync.sources.json_columns import json_rows

__all__ = ["OWN_KEYS", "Position", "Row", "has_positions", "open_catalogue", "positions", "rows"]

FORMATS = {
    ".csv": "csv",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".vo": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".fits": "fits",
    ".fit": "fits",
    ".parquet": "parquet",
}
RA_NAMES = ("ra", "raj2000", "_raj2000", "ra_icrs", "ra_deg", "ra_j2000", "alpha_j2000", "right_ascension")
DEC_NAMES = (
    "dec",
    "dej2000",
    "decj2000",
    "_dej2000",
    "de_icrs",
    "dec_icrs",
    "dec_deg",
    "dec_j2000",
    "delta_j2000",
    "declination",
)
OWN_KEYS = frozenset(
    {"image", "content_id", "filename", "extension", "ra", "dec", "pixel_scale_arcsec", "wcs", "bands", "unit", "science"}
)
"""Keys of a task's data that the import writes itself; a column of such a name travels as ``catalogue_<name>``."""


@dataclass(frozen=True, slots=True)
class Position:
    """Degrees, ICRS."""

    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a catalogue.

    Attributes
    ----------
    number : int
        1 is the first row.
    columns : dict
        JSON values; None where the catalogue has none.
    """

    number: int
    columns: dict[str, Any]


def open_catalogue(file: Path) -> Table:
    """Read a CSV, ECSV, VOTable, FITS table or Parquet file.

    Raises
    ------
    SourceError
        If it is of another kind, cannot be read, or has no row.
    """
    kind = FORMATS.get(file.suffix.lower())
    if kind is None:
        raise SourceError(f"{file} is no catalogue that can be read: its name must end with one of {', '.join(FORMATS)}")
    try:
        table = _read(file, kind)
    # The readers of five formats raise whatever their libraries do (ExpatError, ArrowInvalid, InconsistentTableError …).
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name:
            raise SourceError(f"{file} needs {error.name}: install galaxyloop[import]") from error
        raise SourceError(
            f"{file} cannot be read as a catalogue: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
    if not len(table):
        raise SourceError(f"{file} has no row")
    return table


def positions(table: Table, *, ra: str | None = None, dec: str | None = None) -> list[Position | None]:
    """Return each row's position, None where it has none that makes sense.

    Parameters
    ----------
    table : Table
    ra, dec : str, optional
        Names of the columns; without them the usual names are looked for. Numbers are degrees unless the column says
        another unit; other texts are sexagesimal, hours and degrees.

    Raises
    ------
    SourceError
        If there is no such column, none of the usual ones, or if it has a unit that is none of angles.
    """
    right = degrees(table[_named(table, ra, RA_NAMES, "right ascension", "--ra")], sexagesimal=units.hourangle)
    declined = degrees(table[_named(table, dec, DEC_NAMES, "declination", "--dec")], sexagesimal=units.deg)
    # Beyond one turn, and beyond the poles, are numbers that stand for "unknown", such as -999.
    sensible = (np.abs(right) <= 360) & (np.abs(declined) <= 90)
    wrapped = right % 360 % 360  # twice, because -1e-20 % 360 is 360
    triples = zip(sensible.tolist(), wrapped.tolist(), declined.tolist(), strict=True)
    return [Position(longitude, latitude) if good else None for good, longitude, latitude in triples]


def has_positions(table: Table) -> bool:
    """Say whether there are columns of both coordinates under their usual names."""
    return _usual(table, RA_NAMES) is not None and _usual(table, DEC_NAMES) is not None


def rows(table: Table, *, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Give the columns of each row as JSON values; columns are checked at once, rows read when their turn comes.

    Parameters
    ----------
    table : Table
    columns : sequence of str, optional
        Which; all without it.

    Raises
    ------
    SourceError
        If there is no such column.
    """
    for name in columns or ():
        if name not in table.colnames:
            raise SourceError(f"the catalogue has no column {name!r}: it has {', '.join(table.colnames)}")
    names = list(columns or table.colnames)
    keys = _keys(names)
    values = json_rows([table[name] for name in names])
    return (Row(number, dict(zip(keys, row, strict=True))) for number, row in enumerate(values, start=1))


def _read(file: Path, kind: str) -> Table:
    if kind == "csv":
        return read_csv(file)
    if kind == "parquet":
        from sync.sources.parquet_table import read_parquet  # pyarrow is an extra

        return read_parquet(file)
    return Table.read(file, format=kind)


def _keys(names: Sequence[str]) -> list[str]:
    """Each column's key in a task's data: its name, or one that is nobody's."""
    keys: list[str] = []
    for name in names:
        key = f"catalogue_{name}" if name in OWN_KEYS else name
        while key != name and (key in names or key in keys):
            key = f"catalogue_{key}"
        keys.append(key)
    return keys


def _named(table: Table, wanted: str | None, usual: Sequence[str], meaning: str, option: str) -> str:
    if wanted is not None:
        if wanted not in table.colnames:
            raise SourceError(f"the catalogue has no column {wanted!r}: it has {', '.join(table.colnames)}")
        return wanted
    name = _usual(table, usual)
    if name is None:
        raise SourceError(
            f"the catalogue has no column of {meaning}: name it with {option}, it has {', '.join(table.colnames)}"
        )
    return name


def _usual(table: Table, usual: Sequence[str]) -> str | None:
    by_lower = {str(name).strip().lower(): str(name) for name in reversed(table.colnames)}
    return next((by_lower[name] for name in usual if name in by_lower), None)
