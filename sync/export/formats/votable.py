"""VOTable: the catalogue as the Virtual Observatory's XML, `objects.vot`; astropy writes everything except the rows."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import CooSys

from sync.export.dataset import Dataset
from sync.export.formats.rows import Row, columns_of, empty_table, extra_columns, rows_of
from sync.export.records import Record
from sync.export.texts import NAMES, XML, Texts, escape_text

__all__ = ["write"]

END = "</TABLE>"
SYSTEM = "sky"
"""ID of the coordinate system that the columns `ra` and `dec` refer to."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `objects.vot`; missing values are NaN or empty."""
    texts = Texts(XML, format="VOTable", report=dataset.report)
    clean = partial(escape_text, pattern=NAMES)
    extra = extra_columns(dataset, clean=clean)
    votable = from_table(empty_table(columns_of(dataset, extra)), table_id="objects")
    for field in votable.get_first_table().fields:
        if field.datatype == "unicodeChar":
            field.arraysize = "*"  # texts of any length
        if field.name in ("ra", "dec"):
            field.ref = SYSTEM
    votable.coordinate_systems.append(CooSys(ID=SYSTEM, system="ICRS"))
    xml = io.BytesIO()
    writeto(votable, xml)
    head, end, tail = xml.getvalue().decode("utf-8").partition(END)
    head = head.replace(' datatype="bit"', ' datatype="boolean"')  # a boolean may be missing, a bit may not
    with (folder / "objects.vot").open("w", encoding="utf-8", newline="") as file:
        file.write(head.rstrip() + "\n<DATA><TABLEDATA>\n")

        def write_record(record: Record) -> None:
            file.write("".join([_xml_of(row, texts) for row in rows_of(record, dataset, extra)]))

        dataset.write_each(records, write_record)
        file.write("</TABLEDATA></DATA>\n" + end + tail)


def _xml_of(row: Row, texts: Texts) -> str:
    return "<TR>" + "".join(f"<TD>{_cell(cell, texts, task=row[0])}</TD>" for cell in row) + "</TR>\n"


def _cell(cell: Any, texts: Texts, *, task: object) -> str:
    if isinstance(cell, str):
        # XML parsers convert a carriage return to a line feed, unless it is a character reference.
        return escape(texts(cell, task=task), {"\r": "&#13;"})
    if cell is None:
        return ""
    if isinstance(cell, float) and not math.isfinite(cell):
        return "NaN" if math.isnan(cell) else "+Inf" if cell > 0 else "-Inf"
    return repr(cell)
