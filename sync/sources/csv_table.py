"""CSV as people have it: Excel's byte order mark and semicolons, SkyServer's comment lines, ids with leading zeros."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from astropy.io.ascii import convert_numpy
from astropy.table import MaskedColumn, Table

__all__ = ["read_csv"]

DELIMITERS = "\t,;"
"""The first that the header has most of: a list of one column has none, and its addresses may hold commas."""
COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*")
DECIMAL_POINT = re.compile(r'(?:^|;)\s*"?[+-]?\d*\.\d+"?\s*(?:;|$)', re.MULTILINE)
NUMBER_FIRST = re.compile(r'(?:^|[,;\t])\s*"?[+-]?\.?\d')
MISSING = ("N/A", "n/a", "NA", "null", "Null", "NULL", "None", "--")
"""Written for a missing number; in a column of texts they may be names."""
AS_WRITTEN = re.compile(r"0\d+|.*_.*")
"""Python would read these names as numbers: 000123, 12_3."""


def read_csv(file: Path) -> Table:
    """Read a CSV file, in which a comma, a semicolon or a tab may separate.

    Comment lines before the header are passed over; one that is itself the header is used. With semicolons and without any
    number with a decimal point, commas are decimal.
    """
    text = _text(file.read_bytes())
    if text.startswith("# %ECSV"):
        return Table.read(text, format="ascii.ecsv")
    text = _from_header_on(text)
    delimiter = _delimiter(text.partition("\n")[0])
    # As texts first: astropy would read the id 000123 as 123, and one N/A would make texts of a column of numbers.
    table = Table.read(text, format="ascii.csv", delimiter=delimiter, converters={"*": [convert_numpy(str)]})
    decimal_commas = delimiter == ";" and not DECIMAL_POINT.search(text)
    for name in table.colnames:
        table[name] = _numbers(table[name], decimal_commas=decimal_commas)
    return table


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # Excel's "CSV" that is not its "CSV UTF-8"


def _from_header_on(text: str) -> str:
    """Leave out leading comments; the last of them is the header where it fits the first line, and that holds numbers."""
    comments = COMMENTS.match(text)
    assert comments is not None, "the pattern also matches nothing"
    body = text[comments.end() :]
    first = body.partition("\n")[0]
    named = comments[0].rstrip().rpartition("\n")[2].strip(" \t#")
    delimiter = _delimiter(first)
    is_header = named.count(delimiter) == first.count(delimiter) > 0 and NUMBER_FIRST.search(first)
    return f"{named}\n{body}\n" if is_header else f"{body}\n"


def _delimiter(line: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=unquoted.count)


def _numbers(column: MaskedColumn, *, decimal_commas: bool) -> MaskedColumn:
    """A column of numbers where all values that are there are numbers; else the column as it is."""
    texts = np.asarray(column)
    missing = np.isin(texts, MISSING) | getattr(column, "mask", False)
    there = texts[~missing]
    if any(AS_WRITTEN.fullmatch(text) for text in there):
        return column
    if decimal_commas:
        there = np.char.replace(there, ",", ".")
    for kind in (np.int64, np.float64):
        try:
            numbers = there.astype(kind)
        except ValueError:
            continue
        except OverflowError:  # an id of more than 64 bits
            return column
        data = np.zeros(len(column), dtype=kind)
        data[~missing] = numbers
        return MaskedColumn(data, mask=missing, name=column.name)
    return column
