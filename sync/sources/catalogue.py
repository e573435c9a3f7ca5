"""Catalogues: rows with a position or an address, whose columns travel with the task."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import Angle, Longitude
from astropy.table import Column, Table

from sync.sources.item import SourceError

__all__ = ["OWN_KEYS", "Position", "Row", "open_catalogue", "positions", "rows"]

FORMATS = {
    ".csv": "ascii.csv",
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
OWN_KEYS = frozenset({"image", "content_id", "filename", "ra", "dec", "pixel_scale_arcsec", "wcs", "bands", "unit", "science"})
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
        table = Table.read(file, format=kind)
    except ModuleNotFoundError as error:
        raise SourceError(f"{file} needs {error.name}: install galaxyloop[import]") from error
    # The readers of five formats raise whatever their libraries do (ExpatError, ArrowInvalid, InconsistentTableError …).
    except Exception as error:
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
        another unit; texts are sexagesimal, hours and degrees.

    Raises
    ------
    SourceError
        If there is no such column, or none of the usual ones.
    """
    right = _degrees(table[_named(table, ra, RA_NAMES, "right ascension", "--ra")], units.hourangle)
    declined = _degrees(table[_named(table, dec, DEC_NAMES, "declination", "--dec")], units.deg)
    return [_position(longitude, latitude) for longitude, latitude in zip(right, declined, strict=True)]


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
    keys = [f"catalogue_{name}" if name in OWN_KEYS - {"ra", "dec"} else name for name in names]
    values = ((_json(table[name][number]) for name in names) for number in range(len(table)))
    return (Row(number, dict(zip(keys, row, strict=True))) for number, row in enumerate(values, start=1))


def _position(ra: float, dec: float) -> Position | None:
    if not (math.isfinite(ra) and math.isfinite(dec) and abs(dec) <= 90):
        return None
    return Position(float(Longitude(ra, units.deg).deg), dec)


def _named(table: Table, wanted: str | None, usual: Sequence[str], meaning: str, option: str) -> str:
    if wanted is not None:
        if wanted not in table.colnames:
            raise SourceError(f"the catalogue has no column {wanted!r}: it has {', '.join(table.colnames)}")
        return wanted
    by_lower = {str(name).lower(): str(name) for name in table.colnames}
    for name in usual:
        if name in by_lower:
            return by_lower[name]
    raise SourceError(f"the catalogue has no column of {meaning}: name it with {option}, it has {', '.join(table.colnames)}")


def _degrees(column: Column, unit_of_text: units.Unit) -> list[float]:
    """Read a column as degrees; NaN where a value is missing or is no angle."""
    unit = column.unit or units.deg
    values = [_json(value) for value in column]
    degrees = []
    for value in values:
        try:
            angle = (
                Angle(value, unit_of_text if isinstance(value, str) else unit) if value is not None else math.nan * units.deg
            )
            degrees.append(float(angle.to_value(units.deg)))
        except (ValueError, TypeError, units.UnitsError):
            degrees.append(math.nan)
    return degrees


def _json(value: Any) -> Any:
    """A table's value as JSON has it: NaN, infinity and masked are None."""
    if value is np.ma.masked:
        return None
    if isinstance(value, np.ndarray):
        return [_json(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
