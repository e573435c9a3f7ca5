"""ECSV: the catalogue as text with units, `objects.ecsv`; astropy writes the header."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from sync.export.dataset import Dataset
from sync.export.formats.rows import columns_of, empty_table, extra_columns, rows_of
from sync.export.records import Record
from sync.export.texts import ECSV, NAMES, Texts, escape_text

__all__ = ["write"]


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `objects.ecsv`; missing values are empty."""
    texts = Texts(ECSV, format="ECSV", report=dataset.report)
    header = io.StringIO()
    clean = partial(escape_text, pattern=NAMES)
    extra = extra_columns(dataset, clean=clean)
    empty_table(columns_of(dataset, extra)).write(header, format="ascii.ecsv", delimiter=",")
    with (folder / "objects.ecsv").open("w", encoding="utf-8", newline="") as file:
        file.write(header.getvalue())
        rows = csv.writer(file, lineterminator="\n")

        def write_record(record: Record) -> None:
            rows.writerows([[_cell(cell, texts, task=row[0]) for cell in row] for row in rows_of(record, dataset, extra)])

        dataset.write_each(records, write_record)


def _cell(cell: Any, texts: Texts, *, task: object) -> Any:
    if isinstance(cell, str):
        return texts(cell, task=task)
    return "" if cell is None or (isinstance(cell, float) and math.isnan(cell)) else cell
