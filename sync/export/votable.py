"""VOTable: the catalogue as the Virtual Observatory's XML, `objects.vot`; all but the rows is astropy's."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from astropy.io.votable import from_table, writeto
from astropy.io.votable.tree import CooSys

from sync.export.dataset import Dataset
from sync.export.records import Record
from sync.export.rows import Row, empty_table, rows_of

__all__ = ["write"]

END = "</TABLE>"
SYSTEM = "sky"
"""Name of the coordinate system, to which the columns of positions refer."""

_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `objects.vot`; numbers that are not there are NaN, texts empty."""
    votable = from_table(empty_table(), table_id="objects")
    for field in votable.get_first_table().fields:
        if field.datatype == "unicodeChar":
            field.arraysize = "*"  # texts of any length
        if field.name in ("ra", "dec"):
            field.ref = SYSTEM
    votable.coordinate_systems.append(CooSys(ID=SYSTEM, system="ICRS"))
    xml = io.BytesIO()
    writeto(votable, xml)
    head, end, tail = xml.getvalue().decode("utf-8").partition(END)
    with (folder / "objects.vot").open("w", encoding="utf-8") as file:
        file.write(head.rstrip() + "\n<DATA><TABLEDATA>\n")
        for row in rows_of(records, dataset=dataset):
            file.write(_xml_of(row))
        file.write("</TABLEDATA></DATA>\n" + end + tail)


def _xml_of(row: Row) -> str:
    cells = (escape(_NO_XML.sub("?", cell)) if isinstance(cell, str) else repr(cell).replace("nan", "NaN") for cell in row)
    return "<TR>" + "".join(f"<TD>{cell}</TD>" for cell in cells) + "</TR>\n"
