"""FITS binary table: the catalogue as `objects.fits`, extension OBJECTS.

Texts have a fixed width there, which is known only when all rows are: they wait in a file, so that memory stays flat.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from sync.export.dataset import Dataset
from sync.export.fits_blocks import BLOCK, as_ascii, primary_block, table_header, text_dtype
from sync.export.records import Record
from sync.export.rows import COLUMNS, rows_of

__all__ = ["write"]

ROWS_AT_ONCE = 5000


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `objects.fits`; numbers that are not there are NaN, texts empty."""
    widths = {place: 0 for place, column in enumerate(COLUMNS) if column.dtype is str}
    count = 0
    with tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8") as waiting:
        for row in rows_of(records, dataset=dataset):
            cells = [as_ascii(cell) if isinstance(cell, str) else cell for cell in row]
            widths = {place: max(width, len(cells[place])) for place, width in widths.items()}
            waiting.write(json.dumps(cells) + "\n")
            count += 1
        numbers = {int: ">i8", float: ">f8"}
        formats = [numbers.get(column.dtype) or text_dtype(widths[place]) for place, column in enumerate(COLUMNS)]
        dtype = np.dtype([(column.name, form) for column, form in zip(COLUMNS, formats, strict=True)])
        units, ucds = tuple(column.unit for column in COLUMNS), tuple(column.ucd for column in COLUMNS)
        comments = tuple(column.description for column in COLUMNS)
        waiting.seek(0)
        with (folder / "objects.fits").open("wb") as file:
            file.write(primary_block())
            file.write(table_header(dtype, "OBJECTS", rows=count, units=units, comments=comments, ucds=ucds))
            while lines := list(islice(waiting, ROWS_AT_ONCE)):
                file.write(np.array([tuple(json.loads(line)) for line in lines], dtype=dtype).tobytes())
            file.write(bytes(-count * dtype.itemsize % BLOCK))
