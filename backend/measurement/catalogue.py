"""The catalogue of measured objects: its columns with units and UCDs, and files in the formats of astropy."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from astropy.io import fits
from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import CooSys
from astropy.table import MaskedColumn, Table

from backend.measurement.measured_object import MeasuredObject
from sync.labelling.quantities import QUANTITIES

__all__ = ["FORMATS", "CatalogueRow", "make_table", "write_catalogue"]

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".vot": "votable", ".xml": "votable", ".csv": "ascii.csv"}
"""Suffix of the file to astropy's format."""
SYSTEM = "sky"
"""ID of the coordinate system of `ra` and `dec` in a VOTable."""
_MEASURED = tuple(quantity for quantity in QUANTITIES.values() if quantity.is_measured)
_TEXTS = {"file": "meta.file", "extension": "meta.id", "band": "instr.bandpass", "psf": "meta.code", "missing": "meta.note"}


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """One measured object of a file.

    Attributes
    ----------
    file : str
    extension : str
        Image of a FITS file with several; empty for other files.
    number : int
        Number of the object in its image, from 1, brightest first.
    is_central : bool
        Whether it is the object in the middle of its image.
    area_px : int
        Pixels of its mask.
    measured_object : MeasuredObject
    """

    file: str
    extension: str
    number: int
    is_central: bool
    area_px: int
    measured_object: MeasuredObject


def make_table(rows: Sequence[CatalogueRow]) -> Table:
    """Return the catalogue: a column and a column `_err` for each quantity; missing values are masked."""
    measurements = [row.measured_object for row in rows]
    table = Table()
    _add(table, "file", [row.file for row in rows], "", _TEXTS["file"], "file of the image")
    _add(table, "extension", [row.extension for row in rows], "", _TEXTS["extension"], "image of a FITS file with several")
    _add(table, "object", [row.number for row in rows], "", "meta.id;meta.main", "number in the image, brightest first")
    _add(table, "is_central", [row.is_central for row in rows], "", "meta.code", "whether it is in the middle of the image")
    _add(table, "ra", [each.ra for each in measurements], "deg", "pos.eq.ra;meta.main", "right ascension of the model, ICRS")
    _add(table, "dec", [each.dec for each in measurements], "deg", "pos.eq.dec;meta.main", "declination of the model, ICRS")
    for quantity in _MEASURED:
        values = [each.values.get(quantity.name) for each in measurements]
        numbers = [None if value is None else value.value for value in values]
        errors = [None if value is None else value.error for value in values]
        _add(table, quantity.name, numbers, quantity.unit, quantity.ucd, quantity.description)
        about = f"standard deviation of {quantity.name}"
        _add(table, f"{quantity.name}_err", errors, quantity.unit, f"stat.error;{quantity.ucd}", about)
    _add(table, "area_px", [row.area_px for row in rows], "pix", "phys.area;instr.pixel", "pixels of the mask of the object")
    _add(
        table, "band", [each.band for each in measurements], "", _TEXTS["band"], "band; display: brightness of a display image"
    )
    _add(table, "psf", [each.psf_source for each in measurements], "", _TEXTS["psf"], "source of the PSF; none: not corrected")
    missing = [_join_reasons(each) for each in measurements]
    _add(table, "missing", missing, "", _TEXTS["missing"], "why values are missing")
    return table


def write_catalogue(table: Table, file: IO[bytes], suffix: str) -> None:
    """Write a catalogue to an open file, in the format of a suffix of `FORMATS`."""
    if suffix == ".fits":
        _write_fits(table, file)
    elif FORMATS[suffix] == "votable":
        votable = from_table(table, table_id="objects")
        for field in votable.get_first_table().fields:
            field.ref = SYSTEM if field.name in ("ra", "dec") else None
        votable.coordinate_systems.append(CooSys(ID=SYSTEM, system="ICRS"))
        writeto(votable, file)
    else:
        text = io.StringIO()
        table.write(text, format=FORMATS[suffix])
        file.write(text.getvalue().encode())


def _write_fits(table: Table, file: IO[bytes]) -> None:
    hdu = fits.table_to_hdu(table)
    hdu.name = "OBJECTS"
    for number, name in enumerate(table.colnames, start=1):
        hdu.header[f"TUCD{number}"] = table[name].meta["ucd"]
        hdu.header[f"TCOMM{number}"] = table[name].description
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)


def _add(table: Table, name: str, values: Sequence[Any], unit: str, ucd: str, description: str) -> None:
    """Add a column; of a column of floats the missing values, which are None, are masked."""
    if isinstance(next((value for value in values if value is not None), 0.0), float):
        missing = [value is None for value in values]
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        table[name] = MaskedColumn(numbers, mask=missing)
    else:
        table[name] = np.array(values)
    table[name].unit = unit or None
    table[name].description = description
    table[name].meta["ucd"] = ucd


def _join_reasons(measurement: MeasuredObject) -> str:
    """Return the reasons for missing values, each once with the quantities that it concerns."""
    quantities: dict[str, list[str]] = {}
    for name, reason in measurement.reasons.items():
        quantities.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in quantities.items())
