"""Reader of tables in FITS files, including FITS_LDAC; sizes are checked before data are read."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_columns import UCD_KEY
from sync.importing.inputs.table_bounds import check_cells
from sync.importing.inputs.table_choice import TableEntry, choose_table

__all__ = ["read_fits_table"]

LDAC_HEADERS = "LDAC_IMHEAD"
"""Name of the table in which SExtractor stores the header of the image, before the table of objects."""


def read_fits_table(stream: IO[bytes], *, size: int, table: str | None = None, file: Path) -> Table:
    """Read a table of a FITS file.

    Parameters
    ----------
    stream : binary file
    size : int
        Size of the file, bytes.
    table : str, optional
        Name or number of the table's extension.
    file : Path
        For messages.

    Raises
    ------
    InputError
        If the file has no table, several and `table` is None, or a table that claims to be larger than the file.
    """
    with fits.open(stream, memmap=False, lazy_load_hdus=False) as hdus:
        entries = [
            TableEntry(number, str(hdu.name), int(hdu.header.get("NAXIS2", 0)), hdu)
            for number, hdu in enumerate(hdus)
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and not isinstance(hdu, fits.CompImageHDU)
        ]
        if not entries:
            raise InputError(f"{file} has no table, only images")
        objects = [entry for entry in entries if entry.name != LDAC_HEADERS] if table is None else entries
        hdu = choose_table(objects or entries, table, file=file)
        _check_size(hdu, size=size, file=file)
        is_text = isinstance(hdu, fits.TableHDU) and any(column.null is not None for column in hdu.columns)
        read = _read_text_columns(hdu) if is_text else Table.read(hdu, format="fits")
        for number, name in enumerate(read.colnames, start=1):
            if ucd := str(hdu.header.get(f"TUCD{number}", "")).strip():
                read[name].meta[UCD_KEY] = ucd
        return read


def _read_text_columns(hdu: fits.TableHDU) -> Table:
    """Read an ASCII table with strings for missing numbers (TNULL), which `Table.read` of astropy 8.0.2 rejects."""
    table = Table(meta={key: value for key, value in hdu.header.items() if key in ("RADESYS", "RADECSYS", "EQUINOX", "EPOCH")})
    raw_rows = hdu.data.view(np.ndarray)
    for column in hdu.columns:
        mask = np.zeros(len(raw_rows), dtype=bool)
        if column.null is not None:
            mask = np.char.strip(raw_rows[column.name].astype(str)) == str(column.null).strip()
        table[column.name] = MaskedColumn(hdu.data[column.name], mask=mask, unit=column.unit)
    return table


def _check_size(hdu: fits.BinTableHDU | fits.TableHDU, *, size: int, file: Path) -> None:
    header = hdu.header
    if header.get("ZTABLE"):
        raise InputError(f"{file} holds a table that fpack compressed, which astropy does not read: unpack it with funpack")
    width, rows, heap, fields = (int(header.get(key, 0)) for key in ("NAXIS1", "NAXIS2", "PCOUNT", "TFIELDS"))
    start = int(hdu.fileinfo()["datLoc"])
    if min(width, rows, heap) < 0 or start + width * rows + heap > size or rows > size:
        raise InputError(
            f"{file} has {size} bytes, but its table claims {rows} rows of {width} bytes: it is damaged, copy it again"
        )
    check_cells(rows, fields, file=file)
