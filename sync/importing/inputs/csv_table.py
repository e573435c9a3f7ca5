"""Text tables as people have them: CSV of Excel, SkyServer, pandas and VizieR, and columns that spaces separate."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_names import is_position_name
from sync.importing.inputs.table_bounds import check_cells

__all__ = ["BAD_ROWS_KEY", "decode_text", "read_delimited"]

BAD_ROWS_KEY = "galaxyloop_bad_rows"
"""Where the `meta` of a table says which rows could not be read: the number of each, 1 is the first, and why."""
DELIMITERS = "\t,;|"
"""The first that the header has most of: a list of one column has none, and its addresses may hold commas."""
NO_DELIMITER = "\x1f"
"""For one column alone; no text has this character."""
COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*")
DECIMAL_POINT = re.compile(r'(?:^|[;\t])\s*"?[+-]?\d*\.\d+(?:[eE][+-]?\d+)?"?\s*(?:[;\t]|$)', re.MULTILINE)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
NUMBER_FIRST = re.compile(r'(?:^|[,;\t|]|\s)\s*"?[+-]?\.?\d')
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*\n', re.IGNORECASE)
DASHES = re.compile(r"-+(?:[\t;,|+]-+)*[\t;,|+]?")
"""Line below the names and the units of VizieR, and below the names of psql."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
MISSING = ("N/A", "n/a", "NA", "null", "Null", "NULL", "None", "--")
"""Written for a missing number; in a column of texts they may be names."""
AS_WRITTEN = re.compile(r"0\d+|.*_.*")
"""Python would read these names as numbers: 000123, 12_3."""
LONGEST_NUMBER = 64
MAX_FIELDS = 100_000
HEAD_CHARACTERS = 100_000


def read_delimited(text: str, *, as_text: Collection[str] = (), file: Path) -> Table:
    """Read a table with a comma, a semicolon, a tab, a bar or spaces between the columns.

    Comment lines before the header are passed over; one that is itself the header is used, and a first line `sep=;` holds. With
    semicolons or tabs, commas are decimal where no number has a decimal point, and where those of the position are.
    A row with more values than there are columns is masked and named in the table's `meta`.

    Parameters
    ----------
    text : str
        With line ends of one character.
    as_text : collection of str
        Columns that stay as they are written, though they hold numbers.
    file : Path
        For messages.

    Raises
    ------
    SourceError
        If there are more values than are read.
    """
    named = SEPARATOR_LINE.match(text)
    text = _from_header_on(text[named.end() :] if named else text, named[1] if named else None)
    header = text.partition("\n")[0]
    delimiter = named[1] if named else _delimiter(header)
    if delimiter == " " and not _is_spaced(text):
        delimiter = NO_DELIMITER
    text, units_of = _without_units(text, delimiter)
    if delimiter == " ":
        text = re.sub(r"[ \t]+\n", "\n", re.sub(r"\n[ \t]+", "\n", text.replace("\t", " "))).strip(" ")
    columns, bad = _columns(text, delimiter, file=file)
    has_points = delimiter not in ";\t" or DECIMAL_POINT.search(text) is not None
    decimal_commas = delimiter in ";\t" and (
        not has_points or any(_has_decimal_commas(values) for name, values in columns.items() if is_position_name(name))
    )
    table = Table()
    for name in list(columns):
        table[name] = _column(columns.pop(name), decimal_commas=decimal_commas, as_text=name in as_text)
    for name, unit in zip(table.colnames, units_of, strict=False):
        parsed = units.Unit(unit, format="cds", parse_strict="silent") if unit else None
        if parsed is not None and not isinstance(parsed, units.UnrecognizedUnit):
            table[name].unit = parsed
    if bad:
        table.meta[BAD_ROWS_KEY] = bad
    return table


def decode_text(content: bytes) -> str:
    """Return a text with line ends of one character: UTF-8, UTF-16 (Excel's "Unicode text"), else cp1252."""
    if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        text = content.decode("utf-32", errors="replace")
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    elif b"\0" in content[:200] and not content.startswith(b"\0\0"):
        text = content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")  # Excel's "CSV" that is not its "CSV UTF-8"
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _from_header_on(text: str, separator: str | None) -> str:
    """Leave out leading comments; where the first line holds numbers, one of as many names is the header.

    That with the names of a position, else the last.
    """
    comments = COMMENTS.match(text)
    assert comments is not None, "the pattern also matches nothing"
    body = text[comments.end() :]
    first = body.partition("\n")[0]
    delimiter = separator or _delimiter(first)
    if not NUMBER_FIRST.search(first.strip()):
        return f"{body}\n"
    width = len(_split(first, delimiter))
    lines = [line.strip(" \t#") for line in comments[0].split("\n")]
    fitting = [line for line in reversed(lines) if len(_split(line, delimiter)) == width > 1]
    with_position = [line for line in fitting if any(is_position_name(name) for name in _split(line, delimiter))]
    return "\n".join([*(with_position or fitting)[:1], body, ""])


def _split(line: str, delimiter: str) -> list[str]:
    bare = line.replace("\t", " ").strip(" ") if delimiter == " " else line
    return next(csv.reader([bare], delimiter=delimiter, skipinitialspace=True), [])


def _delimiter(line: str) -> str:
    unquoted = re.sub(r'"[^"]*"', "", line.strip(" "))
    delimiter = max(DELIMITERS, key=unquoted.count)
    if delimiter in unquoted:
        return delimiter
    return " " if len(unquoted.split()) > 1 else NO_DELIMITER


def _is_spaced(text: str) -> bool:
    """Whether the first row has as many words as the header: the name of one column alone may have a space."""
    lines = [line for line in text[:HEAD_CHARACTERS].split("\n") if line.strip() and not line.startswith("#")][:2]
    widths = {len(_split(line, " ")) for line in lines}
    return len(widths) == 1


def _without_units(text: str, delimiter: str) -> tuple[str, list[str]]:
    """Take VizieR's lines of units and of dashes out from below the header; the units."""
    parts = text.split("\n", 3)
    if len(parts) == 4 and "-" in parts[2] and delimiter != " " and DASHES.fullmatch(parts[2].strip()):
        named = [unit.strip() for unit in next(csv.reader([parts[1]], delimiter=delimiter), [])]
        return f"{parts[0]}\n{parts[3]}", named
    if len(parts) == 4 and "-" in parts[1] and delimiter != " " and DASHES.fullmatch(parts[1].strip()):
        return "\n".join([parts[0], parts[2], parts[3]]), []
    return text, []


def _columns(text: str, delimiter: str, *, file: Path) -> tuple[dict[str, list[str]], dict[int, str]]:
    """The texts of each column, and which rows are none and why."""
    csv.field_size_limit(max(csv.field_size_limit(), 2**20))
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    records = _records(reader)
    _, names = next(records, (0, []))
    if isinstance(names, str):
        raise InputError(f"{file} has no header that can be read: {names}")
    while len(names) > 1 and not names[-1].strip():
        names = names[:-1]
    if len(names) > 1 and 2 * sum(NUMBER.fullmatch(name.strip()) is not None for name in names) > len(names):
        raise InputError(f"{file} has no line with the names of its columns: it begins with {', '.join(names)[:100]}")
    if len(names) > MAX_FIELDS:
        raise InputError(f"{file} has {len(names)} columns, more than the {MAX_FIELDS} that are read")
    check_cells(text.count("\n"), len(names), file=file)
    width = len(names)
    columns: list[list[str]] = [[] for _ in names]
    bad: dict[int, str] = {}
    number = 0
    for line, record in records:
        if isinstance(record, str):
            number += 1
            bad[number] = record
            values: Sequence[str] = [""] * width
        else:
            if _is_no_row(record, width):
                continue
            number += 1
            values = record
            if len(record) > width and any(value.strip() for value in record[width:]):
                bad[number] = f"line {line} has {len(record)} values for {width} columns"
                values = [""] * width
        for index, column in enumerate(columns):
            column.append(values[index].strip() if index < len(values) else "")
    return dict(zip(_unique(names), columns, strict=True)), bad


def _records(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with the line on which it ends; what is wrong with it where it is none."""
    iterator = iter(reader)
    while True:
        begin = int(iterator.line_num) + 1  # type: ignore[attr-defined]
        try:
            record = next(iterator)
        except StopIteration:
            return
        except csv.Error as error:
            end = int(iterator.line_num)  # type: ignore[attr-defined]
            lines = f"line {end}" if end == begin else f"lines {begin} to {end}"
            yield end, f"{lines} cannot be read ({error})"
            continue
        yield int(iterator.line_num), record  # type: ignore[attr-defined]


def _is_no_row(record: Sequence[str], width: int) -> bool:
    """A blank line, a line of empty values, or a comment."""
    if not any(value.strip() for value in record):
        return True
    return record[0].startswith("#") and (len(record) < width or record[0][1:2] in (" ", ""))


def _unique(names: Sequence[str]) -> list[str]:
    unique: list[str] = []
    for index, given in enumerate(names):
        name = bare = given.strip() or f"col{index}"
        count = 0
        while name in unique:
            count += 1
            name = f"{bare}_{count}"
        unique.append(name)
    return unique


def _has_decimal_commas(values: Sequence[str]) -> bool:
    return any(DECIMAL_COMMA.fullmatch(value) for value in values)


def _column(values: list[str], *, decimal_commas: bool, as_text: bool) -> MaskedColumn:
    """A column of numbers where all values that are there are numbers; else of the texts."""
    texts = np.array(values, dtype=object)
    empty = texts == ""
    if as_text:
        return MaskedColumn(texts, mask=empty)
    missing = empty | np.isin(texts, MISSING)
    numbers = _numbers(texts[~missing], decimal_commas=decimal_commas)
    if numbers is None:
        return MaskedColumn(texts, mask=empty)
    data = np.zeros(len(texts), dtype=numbers.dtype)
    data[~missing] = numbers
    return MaskedColumn(data, mask=missing)


def _numbers(texts: NDArray[np.object_], *, decimal_commas: bool) -> NDArray[np.number] | None:
    if any(len(text) > LONGEST_NUMBER or AS_WRITTEN.fullmatch(text) for text in texts):
        return None
    there = texts.astype(str)
    if decimal_commas:
        if any("," in text and not DECIMAL_COMMA.fullmatch(text) for text in texts):
            return None
        there = np.char.replace(there, ",", ".")
    for kind in (np.int64, np.float64):
        try:
            return there.astype(kind)
        except ValueError:
            continue
        except OverflowError:  # an id of more than 64 bits
            return None
    return None
