"""Positions of a table's rows: which columns hold them, in which frame, and the same as degrees of ICRS.

A column is found by the UCD of the main position, by its usual name, as a column of SkyCoord, or by another UCD of a
position, in this order. The frame is that of the SkyCoord, of the VOTable's COOSYS, of the name (B1950, GLON), or else ICRS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import (
    FK4,
    FK5,
    ICRS,
    BarycentricMeanEcliptic,
    BaseCoordinateFrame,
    BaseEclipticFrame,
    FK4NoETerms,
    Galactic,
    SkyCoord,
    Supergalactic,
)
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from sync.importing.inputs.angles import degrees
from sync.importing.inputs.item import InputError

__all__ = ["FRAME_KEY", "UCD_KEY", "has_sky_columns", "is_position_name", "sky_degrees"]

Array = NDArray[np.float64]
UCD_KEY = "ucd"
"""Where a column's `meta` holds its UCD, as astropy writes it."""
FRAME_KEY = "galaxyloop_frame"
"""Where a column's `meta` holds the frame that its VOTable names."""

EQUATORIAL = (
    ("ra", "dec"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("_raj2000", "_dej2000"),
    ("_raj2000", "_decj2000"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("_ra_icrs", "_de_icrs"),
    ("raicrs", "deicrs"),
    ("_raicrs", "_deicrs"),
    ("ra_deg", "dec_deg"),
    ("radeg", "dedeg"),
    ("radeg", "decdeg"),
    ("ra_degrees", "dec_degrees"),
    ("ra_j2000", "dec_j2000"),
    ("ra_j2000", "de_j2000"),
    ("alpha_j2000", "delta_j2000"),
    ("alphawin_j2000", "deltawin_j2000"),
    ("alphapeak_j2000", "deltapeak_j2000"),
    ("right_ascension", "declination"),
    ("rightascension", "declination"),
    ("ra2000", "dec2000"),
    ("ra2000", "de2000"),
    ("_ra", "_de"),
    ("_ra", "_dec"),
    ("s_ra", "s_dec"),
    ("target_ra", "target_dec"),
    ("coord_ra", "coord_dec"),
    ("ramean", "decmean"),
    ("rastack", "decstack"),
    ("ra_rad", "dec_rad"),
    ("ra_hours", "dec_deg"),
    ("ra_hms", "dec_dms"),
    ("alpha_sky", "delta_sky"),
    ("alphawin_sky", "deltawin_sky"),
)
OF_1950 = (
    ("rab1950", "deb1950"),
    ("rab1950", "decb1950"),
    ("_rab1950", "_deb1950"),
    ("ra1950", "dec1950"),
    ("ra1950", "de1950"),
    ("ra_b1950", "dec_b1950"),
    ("ra_1950", "dec_1950"),
    ("alpha_b1950", "delta_b1950"),
    ("alphawin_b1950", "deltawin_b1950"),
)
GALACTIC = (
    ("glon", "glat"),
    ("_glon", "_glat"),
    ("gal_lon", "gal_lat"),
    ("gal_l", "gal_b"),
    ("galactic_longitude", "galactic_latitude"),
    ("lii", "bii"),
    ("l", "b"),
)
SUPERGALACTIC = (("sgl", "sgb"), ("sglon", "sglat"))
ECLIPTIC = (("elon", "elat"), ("ecl_lon", "ecl_lat"))
SEXAGESIMAL = ("rah", "ram", "ras", "ded", "dem", "des")
"""Columns of the CDS standard beside `DE-`: hours, minutes, seconds; degrees, arc minutes, arc seconds."""
FRAMES = (ICRS, FK4, FK5, FK4NoETerms, Galactic, Supergalactic, BaseEclipticFrame)
"""Frames of directions on the sky alone. AltAz and its like need a place, a time, and tables that astropy would download."""
NAME_END = re.compile(r"\s*[\[(].*[\])]\s*$")
LARGEST_PART = 60.0


@dataclass(frozen=True, slots=True)
class _Pair:
    """Columns of a longitude and a latitude; both are the same column where it holds SkyCoord."""

    longitude: str
    latitude: str
    frame: BaseCoordinateFrame


def sky_degrees(table: Table, *, ra: str | None = None, dec: str | None = None) -> tuple[Array, Array]:
    """Return right ascension from 0 to 360 and declination of each row, degrees, ICRS; NaN where a row has no position.

    Parameters
    ----------
    table : Table
    ra, dec : str, optional
        Names of the columns; without them they are looked for.

    Raises
    ------
    SourceError
        If there is no such column, none that is known for its name or UCD, if its unit is none of angles, or if its frame
        cannot be converted to ICRS by itself.
    """
    pair = _named(table, ra, dec) if ra is not None or dec is not None else _find(table)
    if pair is None:
        parts = _parts(table)
        if parts is None:
            raise _unnamed(table, is_declination=_usual(table, 0) is not None)
        right, declined = _sexagesimal(table, parts)
        return _as_icrs(right, declined, _frame_of_name(table, parts["rah"], default=ICRS()))
    if pair.longitude == pair.latitude:
        return _of_coordinates(table[pair.longitude], pair.longitude)
    is_hours = not isinstance(pair.frame, Galactic | Supergalactic | BaseEclipticFrame)
    longitude = degrees(table[pair.longitude], sexagesimal=units.hourangle if is_hours else units.deg)
    latitude = degrees(table[pair.latitude], sexagesimal=units.deg)
    return _as_icrs(longitude, latitude, pair.frame)


def has_sky_columns(table: Table) -> bool:
    """Return whether a position can be read without naming its columns."""
    return _find(table) is not None or _parts(table) is not None


def is_position_name(name: str) -> bool:
    """Return whether a column of this name holds one coordinate of a position on the sky."""
    pairs = (*EQUATORIAL, *OF_1950, *GALACTIC, *SUPERGALACTIC, *ECLIPTIC)
    return _plain(name) in {name for pair in pairs for name in pair} and name not in ("L", "B")


def _find(table: Table) -> _Pair | None:
    """The pair of the surest kind."""
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


def _named(table: Table, ra: str | None, dec: str | None) -> _Pair:
    for name in (ra, dec):
        if name is not None and name not in table.colnames:
            raise InputError(f"the catalogue has no column {name!r}: it has {', '.join(table.colnames)}")
    coordinates = next((name for name in (ra, dec) if name is not None and isinstance(table[name], SkyCoord)), None)
    if coordinates is not None:
        return _Pair(coordinates, coordinates, ICRS())
    usual = _find(table)
    longitude = ra or (usual.longitude if usual else _usual(table, 0))
    latitude = dec or (usual.latitude if usual else _usual(table, 1))
    if longitude is None or latitude is None:
        raise _unnamed(table, is_declination=longitude is not None)
    return _Pair(longitude, latitude, _frame(table, longitude, _plain(longitude)))


def _by_name(table: Table, pairs: tuple[tuple[str, str], ...], *, degrees_only: bool = False) -> _Pair | None:
    columns = _columns_by_plain_name(table)
    # A pair of one convention first; then any two, as in `ra` beside `DEJ2000`.
    mixed = [(longitude, latitude) for longitude, _ in pairs for _, latitude in pairs] if pairs is EQUATORIAL else []
    for longitude, latitude in (*pairs, *mixed):
        if longitude in columns and latitude in columns:
            first, second = columns[longitude], columns[latitude]
            if degrees_only and str(table[first].unit or "").lower() not in ("deg", "degree", "degrees"):
                continue
            return _Pair(first, second, _frame(table, first, longitude))
    return None


def _usual(table: Table, place: int) -> str | None:
    """The column of one coordinate alone: 0 is right ascension, 1 declination."""
    columns = _columns_by_plain_name(table)
    return next((columns[pair[place]] for pair in EQUATORIAL if pair[place] in columns), None)


def _unnamed(table: Table, *, is_declination: bool) -> InputError:
    meaning, option = ("declination", "--dec") if is_declination else ("right ascension", "--ra")
    return InputError(f"the catalogue has no column of {meaning}: name it with {option}, it has {', '.join(table.colnames)}")


def _columns_by_plain_name(table: Table) -> dict[str, str]:
    """Columns of numbers or texts by their plain names; the first of two that are called alike."""
    names = [name for name in reversed(table.colnames) if name not in ("L", "B")]  # luminosity and a magnitude
    return {_plain(name): str(name) for name in names if not isinstance(table[name], SkyCoord)}


def _plain(name: str) -> str:
    """A name without its case, what stands in brackets at its end, and stops: `R.A. (deg)` is `ra`."""
    bare = NAME_END.sub("", str(name)).strip().lower().replace(".", "")
    return re.sub(r"[\s-]+", "_", bare)


def _by_ucd(table: Table, longitude: str, latitude: str, frame: BaseCoordinateFrame, *, main: bool) -> _Pair | None:
    first = next(_with_ucd(table, longitude, main=main), None)
    second = next(_with_ucd(table, latitude, main=main), None)
    if first is None or second is None:
        return None
    said = _frame(table, first, _plain(first), default=frame)
    # A UCD says which coordinates these are; a COOSYS of the other kind is that of another column.
    return _Pair(first, second, said if isinstance(said, Galactic) == isinstance(frame, Galactic) else frame)


def _with_ucd(table: Table, wanted: str, *, main: bool) -> Iterator[str]:
    for name in table.colnames:
        ucd = str(getattr(table[name], "meta", {}).get(UCD_KEY) or "").lower().strip()
        old = wanted.replace(".", "_").replace("galactic", "gal")
        words = [word.strip() for word in ucd.split(";")]
        is_main = "meta.main" in words or words[0] == f"{old}_main"
        changed = any(word.startswith(("arith.", "stat.")) and word not in ("stat.mean", "stat.median") for word in words)
        if words[0] in (wanted, old, f"{old}_main") and not changed and (is_main or not main):
            yield str(name)


def _column_of_coordinates(table: Table) -> _Pair | None:
    names = [name for name in table.colnames if isinstance(table[name], SkyCoord) and table[name].ndim == 1]
    return _Pair(str(names[0]), str(names[0]), ICRS()) if names else None


def _frame(table: Table, column: str, plain: str, *, default: BaseCoordinateFrame | None = None) -> BaseCoordinateFrame:
    named = getattr(table[column], "meta", {}).get(FRAME_KEY)
    if isinstance(named, str):
        raise InputError(f"the position in the column {column!r} is in the frame {named!r}, which cannot be converted to ICRS")
    if named is not None:
        return named
    for pairs, frame in ((GALACTIC, Galactic()), (SUPERGALACTIC, Supergalactic()), (ECLIPTIC, BarycentricMeanEcliptic())):
        if any(plain == longitude for longitude, _ in pairs):
            return frame
    return _frame_of_name(table, column, default=default if default is not None else ICRS())


def _frame_of_name(table: Table, column: str, *, default: BaseCoordinateFrame) -> BaseCoordinateFrame:
    """FK4 where the name or the description of a column names 1950 and no later equinox."""
    text = f"{column} {getattr(table[column], 'description', None) or ''}"
    if re.search(r"(?<!\d)B?1950(?!\d)|FK4", text) and not re.search(r"2000|ICRS|FK5", text, re.IGNORECASE):
        return FK4(equinox="B1950")
    return default


def _of_coordinates(column: SkyCoord, name: str) -> tuple[Array, Array]:
    if not isinstance(column.frame, FRAMES):
        raise InputError(
            f"the column {name!r} has positions in the frame {column.frame.name!r}, which depend on a place and a time: "
            "convert them to ICRS with astropy"
        )
    frame = column.frame
    return _as_icrs(_plain_degrees(frame.spherical.lon), _plain_degrees(frame.spherical.lat), frame.replicate_without_data())


def _plain_degrees(angle: Any) -> Array:
    values = np.array(getattr(angle, "unmasked", angle).to_value(units.deg), dtype=np.float64)
    values[np.broadcast_to(getattr(angle, "mask", False), values.shape)] = np.nan
    return values


def _as_icrs(longitude: Array, latitude: Array, frame: BaseCoordinateFrame) -> tuple[Array, Array]:
    # Beyond one turn, and beyond the poles, are numbers that stand for "unknown", such as -999.
    is_sensible = (np.abs(longitude) <= 360) & (np.abs(latitude) <= 90)
    right, declined = np.full(longitude.shape, np.nan), np.full(latitude.shape, np.nan)
    right[is_sensible], declined[is_sensible] = longitude[is_sensible], latitude[is_sensible]
    if not isinstance(frame, ICRS) and is_sensible.any():
        places = SkyCoord(right[is_sensible], declined[is_sensible], unit="deg", frame=frame).icrs
        right[is_sensible], declined[is_sensible] = places.ra.deg, places.dec.deg
    return right % 360 % 360, declined  # twice, because -1e-20 % 360 is 360


def _parts(table: Table) -> dict[str, str] | None:
    columns = {str(name).strip().lower(): str(name) for name in table.colnames}
    needed = ("rah", "ram", "ded", "dem")
    if any(name not in columns for name in needed):
        return None
    return {name: columns[name] for name in (*SEXAGESIMAL, "de-") if name in columns}


def _sexagesimal(table: Table, parts: dict[str, str]) -> tuple[Array, Array]:
    def part(name: str) -> Array:
        if name not in parts:
            return np.zeros(len(table))
        column = table[parts[name]]
        values = MaskedColumn(column, dtype=np.float64).filled(np.nan)
        return np.where(np.abs(values) <= LARGEST_PART if name not in ("ded",) else np.abs(values) <= 90, values, np.nan)

    sign = np.ones(len(table))
    if "de-" in parts:
        sign[[str(value).strip() == "-" for value in table[parts["de-"]]]] = -1
    right = 15 * (part("rah") + part("ram") / 60 + part("ras") / 3600)
    return right, sign * (part("ded") + part("dem") / 60 + part("des") / 3600)
