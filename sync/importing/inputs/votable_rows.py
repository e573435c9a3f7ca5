"""Repair of VOTables with rows of too many or too few cells; astropy rejects the whole document for one such row.

Each of these rows is replaced by an empty row, so that the numbers of the other rows do not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from sync.importing.inputs.item import InputError

__all__ = ["empty_bad_rows"]

ASCII_COMPATIBLE = (b"<", b"\xef\xbb\xbf<")
"""First bytes of documents in encodings that contain ASCII; other documents are UTF-16 or UTF-32."""


@dataclass(slots=True)
class _Rows:
    """Rows of one TABLE.

    Attributes
    ----------
    resource : int
        Number of the RESOURCE that contains the table; astropy lists tables in the order of their resources.
    fields, rows : int
        Counts of columns and rows.
    bad : dict
        Numbers of bad rows, starting at 1, and the reasons.
    """

    resource: int
    fields: int = 0
    rows: int = 0
    bad: dict[int, str] = field(default_factory=dict)


class _Scanner:
    """Finds the rows whose number of cells differs from the number of columns, and the bytes between their tags."""

    def __init__(self) -> None:
        self.tables: list[_Rows] = []
        self.spans: list[tuple[int, int, bytes]] = []
        """Offsets of each bad row and of its end tag, and the bytes that replace this span."""
        self._resources = 0
        self._open_resources = [0]
        self._path: list[str] = []
        self._cells = self._first = self._line = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _start(self, tag: str, _: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "RESOURCE":
            self._resources += 1
            self._open_resources.append(self._resources)
        elif name == "TABLE":
            self.tables.append(_Rows(self._open_resources[-1]))
        elif name == "FIELD" and self._path[-1:] == ["TABLE"]:
            self.tables[-1].fields += 1
        elif name == "TR":
            self._cells, self._line, self._first = 0, self.parser.CurrentLineNumber, self.parser.CurrentByteIndex
        elif self._path[-1:] == ["TR"]:
            self._cells += 1
        self._path.append(name)

    def _end(self, tag: str) -> None:
        name = self._path.pop()
        if name == "RESOURCE":
            self._open_resources.pop()
        elif name == "TR" and self.tables:
            table = self.tables[-1]
            table.rows += 1
            if self._cells != table.fields:
                end = self.parser.CurrentByteIndex
                cell = f"<{tag[: -len(name)]}TD/>"
                self.spans.append((self._first, end, f"<{tag}>{cell * table.fields}".encode()))
                table.bad[table.rows] = f"line {self._line} has {self._cells} cells for {table.fields} columns"


def empty_bad_rows(content: bytes, *, file: Path) -> tuple[bytes, list[dict[int, str]]]:
    """Replace the rows that have another number of cells than the table has columns by empty rows.

    Parameters
    ----------
    content : bytes
        The XML document, with at least one such row.
    file : Path
        For messages.

    Returns
    -------
    content : bytes
        The repaired document.
    bad : list of dict
        For each table, in the order of `VOTableFile.iter_tables`: the numbers of these rows, starting at 1, and the reasons.

    Raises
    ------
    InputError
        If the document is neither UTF-8 nor in another encoding that contains ASCII.
    """
    scanner = _Scanner()
    scanner.parser.Parse(content, True)
    line = next((reason for table in scanner.tables for reason in table.bad.values()), "a row has a wrong number of cells")
    if not content.lstrip().startswith(ASCII_COMPATIBLE):
        raise InputError(f"{file} cannot be read: {line}, correct that row or save the document as UTF-8")
    pieces, start = [], 0
    for first, end, is_empty in scanner.spans:
        tag = is_empty[1 : is_empty.index(b">")]
        is_closed = content.startswith(b"</" + tag, end)  # not of <TR/>
        pieces += [content[start:first], is_empty if is_closed else is_empty + b"</" + tag + b">"]
        start = end
    tables = sorted(scanner.tables, key=lambda table: table.resource)
    return b"".join([*pieces, content[start:]]), [table.bad for table in tables]
