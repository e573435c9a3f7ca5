"""Catalogues: tables whose rows have a position or an address, and columns for the data of tasks."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from sync.files.unpacking import MAGICS
from sync.importing.inputs.csv_table import BAD_ROWS_KEY
from sync.importing.inputs.fits_tables import read_fits_table
from sync.importing.inputs.item import InputError
from sync.importing.inputs.json_columns import json_rows
from sync.importing.inputs.sky_columns import has_sky_columns, sky_degrees
from sync.importing.inputs.table_bounds import read_bounded
from sync.importing.inputs.text_lines import decode_text
from sync.importing.inputs.text_table import read_text_table

__all__ = [
    "OWN_KEYS",
    "Position",
    "Row",
    "bad_rows",
    "has_positions",
    "is_parquet_table",
    "name_failures",
    "open_catalogue",
    "positions",
    "rows",
]

HEAD_BYTES = 4096
LONGEST_REASON = 300

PARQUET = b"PAR1"
FITS_SUFFIXES = (".fits", ".fit", ".fts", ".ldac")
XML_SUFFIXES = (".vot", ".vo", ".votable", ".xml")
PACKED_SUFFIX = re.compile(r"\.(gz|bz2|xz)$", re.IGNORECASE)
FOREIGN = {
    b"\x89HDF": "HDF5: write it as FITS or Parquet",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: save the sheet as CSV",
    b"\x80": "a pickle, which can run any program and is therefore not read: write it as CSV or Parquet",
    b"\x93NUMPY": "a numpy array: write it as CSV or Parquet",
    b"\x1f\x9d": "packed by compress: unpack it",
    b"#ASDF": "ASDF: write it as FITS or ECSV",
    b"ARROW1": "an Arrow file: write it as Parquet",
}
"""First bytes of unsupported formats, and the advice for the user."""
OWN_KEYS = frozenset(
    {
        *("image", "content_id", "filename", "extension", "ra", "dec", "pixel_scale_arcsec", "wcs", "sky_problem"),
        *("bands", "unit", "science", "spectrum_plot", "spectrum_problem"),
    }
)
"""Keys of a task's data that the import writes; columns with these names are stored as ``catalogue_<name>``."""


@dataclass(frozen=True, slots=True)
class Position:
    """A position on the sky, ICRS, degrees."""

    ra: float
    dec: float


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a catalogue.

    Attributes
    ----------
    number : int
        Number of the row, starting at 1.
    columns : dict
        Values as JSON types; None for a missing value.
    """

    number: int
    columns: dict[str, Any]


def open_catalogue(file: Path, *, table: str | None = None, as_text: Collection[str] = ()) -> Table:
    """Read a table of a FITS, VOTable, Parquet, ECSV, CSV or other text file; the content determines the format.

    The file may be compressed with gzip, bzip2 or xz. References to other files are not followed, and pickles are rejected.

    Parameters
    ----------
    file : Path
    table : str, optional
        Name or number of one of several tables.
    as_text : collection of str
        Columns of a text table whose numbers remain strings.

    Raises
    ------
    InputError
        If the file cannot be read, has no rows, or has several tables and `table` is None.
    """
    with name_failures(file):
        read = _read(file, table, as_text)
    if not len(read) or not read.colnames:
        raise InputError(f"{file} has no row")
    return read


@contextmanager
def name_failures(file: Path) -> Iterator[None]:
    """Raise the failure of a library that reads a catalogue as `InputError`, in one sentence."""
    try:
        yield
    except InputError:
        raise
    # The libraries of the formats raise undocumented exceptions (ExpatError, ArrowInvalid, InconsistentTableError …).
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name:
            raise InputError(f"{file} needs {error.name}: install galaxyloop[import]") from error
        raise InputError(f"{file} cannot be read as a catalogue: {_sentence(error)}") from error


def is_parquet_table(file: Path) -> bool:
    """Return whether `open_catalogue` reads a file as Parquet; False for a file that cannot be opened."""
    try:
        with file.open("rb") as stream:
            return _is_parquet(file, stream.read(len(PARQUET)))
    except OSError:
        return False


def positions(table: Table, *, ra: str | None = None, dec: str | None = None) -> list[Position | None]:
    """Return the position of each row, None if it is missing or not valid.

    Parameters
    ----------
    table : Table
    ra, dec : str, optional
        Names of the columns; by default they are found by UCD, common name or type. Numbers are in degrees unless the column
        has another unit; other strings are sexagesimal, in hours and degrees.

    Raises
    ------
    InputError
        If a column is missing or cannot be found, its unit is not an angle, or its frame cannot be converted.
    """
    right, declination = sky_degrees(table, ra=ra, dec=dec)
    is_missing = (np.isnan(right) | np.isnan(declination)).tolist()
    triples = zip(is_missing, right.tolist(), declination.tolist(), strict=True)
    return [None if absent else Position(longitude, latitude) for absent, longitude, latitude in triples]


def has_positions(table: Table) -> bool:
    """Return whether the columns of a position can be found without the user naming them."""
    return has_sky_columns(table)


def bad_rows(table: Table) -> dict[int, str]:
    """Return the numbers of unreadable rows, starting at 1, and the reasons."""
    return dict(table.meta.get(BAD_ROWS_KEY, {}))


def rows(table: Table, *, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Return an iterator over the rows with JSON values; the columns are checked immediately.

    Parameters
    ----------
    table : Table
    columns : sequence of str, optional
        Names of the columns; all by default.

    Raises
    ------
    InputError
        If a column is missing.
    """
    for name in columns or ():
        if name not in table.colnames:
            raise InputError(f"the catalogue has no column {name!r}: it has {', '.join(table.colnames)}")
    names = list(columns or table.colnames)
    keys = _keys(names)
    values = json_rows([table[name] for name in names])
    return (Row(number, dict(zip(keys, row, strict=True))) for number, row in enumerate(values, start=1))


def _read(file: Path, table: str | None, as_text: Collection[str]) -> Table:
    with file.open("rb") as stream:
        start = stream.read(512)
        suffix = _suffix_of(file)
        if _is_parquet(file, start):
            from sync.importing.inputs.parquet_table import read_parquet  # pyarrow is an extra

            return read_parquet(file)
        if start.startswith(b"SIMPLE  =") or (suffix in FITS_SUFFIXES and not start.startswith(MAGICS)):
            return read_fits_table(stream, size=file.stat().st_size, table=table, file=file)
        stream.seek(0)
        content = read_bounded(stream, file=file)
    if content.startswith(b"SIMPLE  =") or suffix in FITS_SUFFIXES:
        return read_fits_table(io.BytesIO(content), size=len(content), table=table, file=file)
    for magic, name in FOREIGN.items():
        if content.startswith(magic):
            raise InputError(f"{file} cannot be read as a catalogue: it is {name}")
    head = decode_text(content[:HEAD_BYTES]).lstrip().lower()
    if head.startswith(("<!doctype html", "<html", "<table", "<head", "<body")):
        raise InputError(f"{file} cannot be read as a catalogue: it is a web page, save the table as CSV")
    if head.startswith("<") or suffix in XML_SUFFIXES:
        from sync.importing.inputs.votable_table import read_votable

        return read_votable(content, table=table, file=file)
    return read_text_table(content, table=table, as_text=as_text, file=file)


def _suffix_of(file: Path) -> str:
    return Path(PACKED_SUFFIX.sub("", file.name)).suffix.lower()


def _is_parquet(file: Path, start: bytes) -> bool:
    return start.startswith(PARQUET) or _suffix_of(file) == ".parquet"


def _sentence(error: Exception) -> str:
    lines = str(error).strip().splitlines() or str(error.__cause__ or "").strip().splitlines()
    return re.sub(r"^None:\d+:\d+: ", "", lines[0])[:LONGEST_REASON] if lines else repr(error)


def _keys(names: Sequence[str]) -> list[str]:
    """Return the key of each column in a task's data: its name, or an unused one if the name is in `OWN_KEYS`."""
    keys: list[str] = []
    for name in names:
        key = f"catalogue_{name}" if name in OWN_KEYS else name
        while key != name and (key in names or key in keys):
            key = f"catalogue_{key}"
        keys.append(key)
    return keys
