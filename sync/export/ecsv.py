"""ECSV: the catalogue as text with units, `objects.ecsv`; the header is astropy's."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from pathlib import Path

from sync.export.dataset import Dataset
from sync.export.records import Record
from sync.export.rows import empty_table, rows_of

__all__ = ["write"]


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `objects.ecsv`; what is not there is empty."""
    header = io.StringIO()
    empty_table().write(header, format="ascii.ecsv", delimiter=",")
    with (folder / "objects.ecsv").open("w", encoding="utf-8", newline="") as file:
        file.write(header.getvalue())
        rows = csv.writer(file, lineterminator="\n")
        for row in rows_of(records, dataset=dataset):
            rows.writerow(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row])
