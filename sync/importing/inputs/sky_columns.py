"""Positions of a table's rows: selection of the columns, and conversion to ICRS degrees.

A column is selected by the UCD of the main position, by a common name, as a column of SkyCoord, or by another UCD of a
position, in this order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import ICRS, BaseCoordinateFrame, BaseEclipticFrame, Galactic, SkyCoord, Supergalactic
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from sync.importing.inputs.angles import degrees
from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_frames import CONVERTED_FRAMES, as_icrs, frame_of_column
from sync.importing.inputs.sky_names import ECLIPTIC, EQUATORIAL, GALACTIC, NOT_POSITIONS, OF_1950, SUPERGALACTIC, plain_name

__all__ = ["UCD_KEY", "has_sky_columns", "sky_degrees"]

Degrees = NDArray[np.float64]
UCD_KEY = "ucd"
"""Key of a column's `meta` for its UCD, as in astropy."""
SEXAGESIMAL = ("rah", "ram", "ras", "ded", "dem", "des")
"""Columns of the CDS standard in addition to `DE-`: hours, minutes, seconds; degrees, arc minutes, arc seconds."""
CDS_PARTS = ("rah", "ram", "ded", "dem")
"""Required columns of `SEXAGESIMAL`."""
SEXAGESIMAL_LIMIT = 60.0


@dataclass(frozen=True, slots=True)
class _Pair:
    """Columns of a longitude and a latitude; both are the same column if it holds SkyCoord."""

    longitude: str
    latitude: str
    frame: BaseCoordinateFrame


def sky_degrees(table: Table, *, ra: str | None = None, dec: str | None = None) -> tuple[Degrees, Degrees]:
    """Return right ascension from 0 to 360 and declination of each row, degrees, ICRS; NaN where a row has no position.

    Parameters
    ----------
    table : Table
    ra, dec : str, optional
        Names of the columns; by default, the first match.

    Raises
    ------
    InputError
        If a column is missing, no column has a known name or UCD, the unit is not an angle, or the frame cannot be converted to
        ICRS.
    """
    pair = _name_pair(table, ra, dec) if ra is not None or dec is not None else _find(table)
    if pair is None:
        parts = _find_cds_parts(table)
        if parts is None:
            raise _missing_column(table, is_declination=_usual_column(table, 0) is not None)
        return as_icrs(*_join_cds_parts(table, parts), frame_of_column(table, parts["rah"], default=ICRS()))
    if pair.longitude == pair.latitude:
        return _degrees_of_coordinates(table[pair.longitude], pair.longitude)
    is_hours = not isinstance(pair.frame, Galactic | Supergalactic | BaseEclipticFrame)
    longitude = degrees(table[pair.longitude], sexagesimal=units.hourangle if is_hours else units.deg)
    latitude = degrees(table[pair.latitude], sexagesimal=units.deg)
    return as_icrs(longitude, latitude, pair.frame)


def has_sky_columns(table: Table) -> bool:
    """Return whether a position can be read without naming its columns."""
    return _find(table) is not None or _find_cds_parts(table) is not None


def _find(table: Table) -> _Pair | None:
    """Return the first pair of columns that is found, in descending reliability; None if there is none."""
    finders: tuple[Callable[[Table], _Pair | None], ...] = (
        lambda table: _by_ucd(table, "pos.eq.ra", "pos.eq.dec", ICRS(), main=True),
        lambda table: _by_name(table, EQUATORIAL),
        _column_of_coordinates,
        lambda table: _by_ucd(table, "pos.eq.ra", "pos.eq.dec", ICRS(), main=False),
        lambda table: _by_name(table, OF_1950),
        lambda table: _by_ucd(table, "pos.galactic.lon", "pos.galactic.lat", Galactic(), main=True),
        lambda table: _by_name(table, GALACTIC),
        lambda table: _by_ucd(table, "pos.galactic.lon", "pos.galactic.lat", Galactic(), main=False),
        lambda table: _by_name(table, SUPERGALACTIC),
        lambda table: _by_name(table, ECLIPTIC),
        lambda table: _by_name(table, (("x_world", "y_world"), ("xwin_world", "ywin_world")), degrees_only=True),
    )
    return next((pair for finder in finders if (pair := finder(table)) is not None), None)


def _name_pair(table: Table, ra: str | None, dec: str | None) -> _Pair:
    for name in (ra, dec):
        if name is not None and name not in table.colnames:
            raise InputError(f"the catalogue has no column {name!r}: it has {', '.join(table.colnames)}")
    coordinates = next((name for name in (ra, dec) if name is not None and isinstance(table[name], SkyCoord)), None)
    if coordinates is not None:
        return _Pair(coordinates, coordinates, ICRS())
    usual = _find(table)
    longitude = ra or (usual.longitude if usual else _usual_column(table, 0))
    latitude = dec or (usual.latitude if usual else _usual_column(table, 1))
    if longitude is None or latitude is None:
        raise _missing_column(table, is_declination=longitude is not None)
    return _Pair(longitude, latitude, frame_of_column(table, longitude, default=ICRS()))


def _by_name(table: Table, pairs: tuple[tuple[str, str], ...], *, degrees_only: bool = False) -> _Pair | None:
    columns = _columns_by_plain_name(table)
    # Pairs of one convention first, then mixed pairs such as `ra` and `DEJ2000`.
    mixed_pairs = [(longitude, latitude) for longitude, _ in pairs for _, latitude in pairs] if pairs is EQUATORIAL else []
    for longitude, latitude in (*pairs, *mixed_pairs):
        if longitude in columns and latitude in columns:
            first, second = columns[longitude], columns[latitude]
            if degrees_only and str(table[first].unit or "").lower() not in ("deg", "degree", "degrees"):
                continue
            return _Pair(first, second, frame_of_column(table, first, default=ICRS()))
    return None


def _usual_column(table: Table, place: int) -> str | None:
    """Return the column of one coordinate: `place` 0 is right ascension, 1 declination."""
    columns = _columns_by_plain_name(table)
    return next((columns[pair[place]] for pair in EQUATORIAL if pair[place] in columns), None)


def _missing_column(table: Table, *, is_declination: bool) -> InputError:
    meaning, option = ("declination", "--dec") if is_declination else ("right ascension", "--ra")
    return InputError(f"the catalogue has no column of {meaning}: name it with {option}, it has {', '.join(table.colnames)}")


def _columns_by_plain_name(table: Table) -> dict[str, str]:
    """Return columns of numbers or strings by their plain names; if two have the same plain name, the first."""
    names = [name for name in reversed(table.colnames) if name not in NOT_POSITIONS]
    return {plain_name(name): str(name) for name in names if not isinstance(table[name], SkyCoord)}


def _by_ucd(table: Table, longitude: str, latitude: str, frame: BaseCoordinateFrame, *, main: bool) -> _Pair | None:
    first = next(_with_ucd(table, longitude, main=main), None)
    second = next(_with_ucd(table, latitude, main=main), None)
    if first is None or second is None:
        return None
    column_frame = frame_of_column(table, first, default=frame)
    # The UCD decides between galactic and equatorial; a frame of the other kind belongs to another column.
    return _Pair(first, second, column_frame if isinstance(column_frame, Galactic) == isinstance(frame, Galactic) else frame)


def _with_ucd(table: Table, quantity: str, *, main: bool) -> Iterator[str]:
    for name in table.colnames:
        ucd = str(getattr(table[name], "meta", {}).get(UCD_KEY) or "").lower().strip()
        old = quantity.replace(".", "_").replace("galactic", "gal")
        words = [word.strip() for word in ucd.split(";")]
        is_main = "meta.main" in words or words[0] == f"{old}_main"
        is_derived = any(word.startswith(("arith.", "stat.")) and word not in ("stat.mean", "stat.median") for word in words)
        if words[0] in (quantity, old, f"{old}_main") and not is_derived and (is_main or not main):
            yield str(name)


def _column_of_coordinates(table: Table) -> _Pair | None:
    names = [name for name in table.colnames if isinstance(table[name], SkyCoord) and table[name].ndim == 1]
    return _Pair(str(names[0]), str(names[0]), ICRS()) if names else None


def _degrees_of_coordinates(column: SkyCoord, name: str) -> tuple[Degrees, Degrees]:
    if not isinstance(column.frame, CONVERTED_FRAMES):
        raise InputError(
            f"the column {name!r} has positions in the frame {column.frame.name!r}, which depend on a place and a time: "
            "convert them to ICRS with astropy"
        )
    frame = column.frame
    return as_icrs(_unmask(frame.spherical.lon), _unmask(frame.spherical.lat), frame.replicate_without_data())


def _unmask(angle: Any) -> Degrees:
    """Return an angle in degrees, with NaN for masked values."""
    values = np.array(getattr(angle, "unmasked", angle).to_value(units.deg), dtype=np.float64)
    values[np.broadcast_to(getattr(angle, "mask", False), values.shape)] = np.nan
    return values


def _find_cds_parts(table: Table) -> dict[str, str] | None:
    columns = {str(name).strip().lower(): str(name) for name in table.colnames}
    if any(name not in columns for name in CDS_PARTS):
        return None
    return {name: columns[name] for name in (*SEXAGESIMAL, "de-") if name in columns}


def _join_cds_parts(table: Table, parts: dict[str, str]) -> tuple[Degrees, Degrees]:
    def part(name: str) -> Degrees:
        if name not in parts:
            return np.zeros(len(table))
        column = table[parts[name]]
        values = MaskedColumn(column, dtype=np.float64).filled(np.nan)
        return np.where(np.abs(values) <= (90 if name == "ded" else SEXAGESIMAL_LIMIT), values, np.nan)

    sign = np.ones(len(table))
    if "de-" in parts:
        sign[[str(value).strip() == "-" for value in table[parts["de-"]]]] = -1
    ra = 15 * (part("rah") + part("ram") / 60 + part("ras") / 3600)
    return ra, sign * (part("ded") + part("dem") / 60 + part("des") / 3600)
