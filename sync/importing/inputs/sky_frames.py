"""Frames of the positions in a table, from COOSYS, column names or the table's header, and conversion to ICRS."""

from __future__ import annotations

import re

import numpy as np
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
from astropy.table import Table
from numpy.typing import NDArray

from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_names import ECLIPTIC, GALACTIC, SUPERGALACTIC, plain_name
from sync.sky.systems import frame_of_system

__all__ = ["CONVERTED_FRAMES", "FRAME_KEY", "as_icrs", "frame_of_column"]

Degrees = NDArray[np.float64]
FRAME_KEY = "galaxyloop_frame"
"""Key of a column's `meta` for the frame in its VOTable: a frame of astropy, or the name of an unsupported one."""
CONVERTED_FRAMES = (ICRS, FK4, FK5, FK4NoETerms, Galactic, Supergalactic, BaseEclipticFrame)
"""Supported frames. AltAz and similar frames also need a location, a time, and tables that astropy downloads."""
SYSTEM_KEYWORDS = ("RADESYS", "RADECSYS")
EPOCHS_OF_EQUINOX = (1875.0, 1900.0, 1950.0, 2000.0)
"""Values of ``EPOCH`` that are equinoxes; others are dates of observation."""


def frame_of_column(table: Table, column: str, *, default: BaseCoordinateFrame) -> BaseCoordinateFrame:
    """Return the frame of the coordinate in a column.

    It is determined by the COOSYS of a VOTable, else by the name or description of the column, else by RADESYS and EQUINOX in
    the table's header.

    Parameters
    ----------
    table : Table
    column : str
    default : astropy frame
        Frame if none of these determines it.

    Raises
    ------
    InputError
        If the frame cannot be converted to ICRS.
    """
    frame_name = getattr(table[column], "meta", {}).get(FRAME_KEY)
    if isinstance(frame_name, str):
        raise _frame_error(column, frame_name)
    if frame_name is not None:
        frame: BaseCoordinateFrame = frame_name
        return frame
    plain = plain_name(column)
    for pairs, kind in ((GALACTIC, Galactic), (SUPERGALACTIC, Supergalactic), (ECLIPTIC, BarycentricMeanEcliptic)):
        if any(plain == longitude for longitude, _ in pairs):
            return kind()
    text = f"{column} {getattr(table[column], 'description', None) or ''}"
    if re.search(r"2000|ICRS|FK5", text, re.IGNORECASE):
        return default
    if re.search(r"(?<!\d)B?1950(?!\d)|FK4", text):
        return FK4(equinox="B1950")
    frame_of_header = _frame_of_header(table, column)
    return default if frame_of_header is None else frame_of_header


def as_icrs(longitude: Degrees, latitude: Degrees, frame: BaseCoordinateFrame) -> tuple[Degrees, Degrees]:
    """Return right ascension, in [0, 360), and declination, degrees; NaN for invalid coordinates."""
    # Longitudes above 360 and latitudes above 90 degrees mark missing values, such as -999.
    is_sensible = (np.abs(longitude) <= 360) & (np.abs(latitude) <= 90)
    ra, dec = np.full(longitude.shape, np.nan), np.full(latitude.shape, np.nan)
    ra[is_sensible], dec[is_sensible] = longitude[is_sensible], latitude[is_sensible]
    if not isinstance(frame, ICRS) and is_sensible.any():
        places = SkyCoord(ra[is_sensible], dec[is_sensible], unit="deg", frame=frame).icrs
        ra[is_sensible], dec[is_sensible] = places.ra.deg, places.dec.deg
    return ra % 360 % 360, dec  # twice, because -1e-20 % 360 is 360


def _frame_of_header(table: Table, column: str) -> BaseCoordinateFrame | None:
    """Return the frame of right ascension and declination in the header of a FITS table, or None."""
    header = {str(key).upper(): value for key, value in table.meta.items()}
    systems = (value.strip() for key in SYSTEM_KEYWORDS if isinstance(value := header.get(key), str))
    system = next((text for text in systems if text), "")
    epoch = header.get("EPOCH")
    frame = frame_of_system(system, header.get("EQUINOX", epoch if epoch in EPOCHS_OF_EQUINOX else None))
    if system and frame is None:
        raise _frame_error(column, system)
    has_galactic_columns = any(plain_name(name) in {longitude for longitude, _ in GALACTIC} for name in table.colnames)
    return None if isinstance(frame, Galactic) and has_galactic_columns else frame


def _frame_error(column: str, frame: str) -> InputError:
    return InputError(f"the position in the column {column!r} is in the frame {frame!r}, which cannot be converted to ICRS")
