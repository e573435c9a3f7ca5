"""Checks of a VOTable before astropy reads it: references to other files, entities, and the memory that its tables need.

astropy allocates memory for as many rows as a table's attribute `nrows` states, although it counts the rows itself. A document
whose `nrows` is too large for its content is therefore read without that attribute.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.parsers import expat

from sync.importing.inputs.item import InputError
from sync.importing.inputs.table_bounds import MAX_CELLS, check_cells

__all__ = ["checked_document"]

ROWS_AT_ONCE = 256
"""Number of rows for which astropy allocates memory if a table does not declare it."""
MOST_FIELDS = 10_000
"""Largest number of columns and parameters of a document: astropy takes 4 s, and four times as long for twice as many."""
LETTERS_OF_A_NUMBER = 8
LONGEST_COUNT = 19
BITS_OF_BASE64 = 6
"""Bits per character; the smallest value of a binary table has one bit."""
TAG = re.compile(rb"<[^\s/>]+")
ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")


def checked_document(content: bytes, *, file: Path) -> bytes:
    """Check that a document refers to no other file, declares no entities, and that its tables fit into memory.

    Parameters
    ----------
    content : bytes
        The XML document.
    file : Path
        For messages.

    Returns
    -------
    bytes
        The document, without the attributes `nrows` that are too large for its content.

    Raises
    ------
    InputError
        If a STREAM has a `href`, an entity is declared, a table has too many values, or the document too many columns.
    xml.parsers.expat.ExpatError
        If the document is not XML.
    """
    checker = _Checker(content, file)
    checker.parser.Parse(content, True)
    checker.close_table(len(content))
    pieces, start = [], 0
    for first, end in checker.excessive:
        pieces.append(content[start:first])
        start = end
    return b"".join([*pieces, content[start:]])


class _Checker:
    """Checks the tags of a document; collects the offsets of the attributes `nrows` to remove."""

    def __init__(self, content: bytes, file: Path) -> None:
        self.excessive: list[tuple[int, int]] = []
        self._content = content
        self._file = file
        self._stated_rows = self._rows = self._cells = self._tag_at = self._fields = 0
        self._stream_at: int | None = None
        self._has_data = False
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EntityDeclHandler = self._refuse_entity

    def close_table(self, offset: int) -> None:
        """Check the number of values of the table that ends before `offset`."""
        rows = self._rows
        if self._stream_at is not None:
            bits = (offset - self._stream_at) * BITS_OF_BASE64
            rows = min(self._stated_rows or bits, bits // max(self._cells, 1))
        if self._has_data:
            check_cells(max(rows, ROWS_AT_ONCE), self._cells, file=self._file)
        self._stated_rows = self._rows = self._cells = 0
        self._stream_at, self._has_data = None, False

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        element = tag.rpartition(":")[2]
        self._fields += element in ("FIELD", "PARAM")
        if self._fields > MOST_FIELDS:
            raise InputError(f"{self._file} has more than the {MOST_FIELDS} columns and parameters that are read: split it")
        if element == "TR":
            self._rows += 1
        elif element == "TABLE":
            self._tag_at = self.parser.CurrentByteIndex
            self.close_table(self._tag_at)
            self._stated_rows = _number(attributes.get("nrows", ""))
        elif element == "FIELD":
            size = math.prod(max(_number(part), 1) for part in attributes.get("arraysize", "").split("x"))
            self._cells += size // LETTERS_OF_A_NUMBER if "char" in attributes.get("datatype", "").lower() else size
        elif element == "DATA":
            self._has_data = True
            if self._stated_rows > len(self._content) or self._stated_rows * self._cells > MAX_CELLS:
                self._remove_claim()
        elif element.upper() == "STREAM":
            self._stream_at = self.parser.CurrentByteIndex
            for name, value in attributes.items():
                if name.rpartition(":")[2].lower() == "href":
                    raise InputError(
                        f"{self._file} stores its data elsewhere (STREAM href={value[:200]!r}), and references are not "
                        "followed: save the table with its data in the file"
                    )

    def _remove_claim(self) -> None:
        tag = TAG.match(self._content, self._tag_at)
        place = tag.end() if tag else self._tag_at
        while attribute := ATTRIBUTE.match(self._content, place):
            if attribute[1] == b"nrows":
                self.excessive.append(attribute.span())
                return
            place = attribute.end()
        # Only in a document in UTF-16 or UTF-32.
        raise InputError(
            f"{self._file} claims {self._stated_rows} rows, more than the file can hold: correct nrows, or save the document "
            "as UTF-8"
        )

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise InputError(
            f"{self._file} declares the XML entity {name[:50]!r}: entities are not read, save the table without entities"
        )


def _number(text: str) -> int:
    digits = text.strip().rstrip("*")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < LONGEST_COUNT else 0
