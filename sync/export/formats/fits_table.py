"""FITS binary table: the catalogue as `objects.fits`, extension OBJECTS.

FITS texts have a fixed width, which is known only after the last row: rows are stored in a temporary file, so that memory use
does not grow with the number of rows.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from sync.export.dataset import Dataset
from sync.export.formats.fits_blocks import BLOCK, primary_block
from sync.export.formats.fits_columns import FitsTable, fits_name
from sync.export.formats.rows import columns_of, extra_columns, rows_of
from sync.export.records import Record
from sync.export.texts import FITS, Texts

__all__ = ["write"]

ROWS_AT_ONCE = 5000


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `objects.fits`; missing numbers are NaN or the column's TNULL, and missing texts are empty."""
    texts = Texts(FITS, format="FITS", report=dataset.report)
    extra = extra_columns(dataset, clean=fits_name)
    table = FitsTable(columns_of(dataset, extra))
    with tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8") as waiting:

        def write_record(record: Record) -> None:
            rows = table.encode(rows_of(record, dataset, extra), texts)
            waiting.write("".join([json.dumps(row) + "\n" for row in rows]))

        dataset.write_each(records, write_record)
        waiting.seek(0)
        with (folder / "objects.fits").open("wb") as file:
            file.write(primary_block())
            file.write(table.header("OBJECTS"))
            while lines := list(islice(waiting, ROWS_AT_ONCE)):
                file.write(table.data([json.loads(line) for line in lines]))
            file.write(bytes(-table.size % BLOCK))
