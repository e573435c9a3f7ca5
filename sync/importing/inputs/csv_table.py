"""Text tables with a delimiter, such as the CSV of Excel, SkyServer, pandas and VizieR, or columns separated by spaces."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_names import is_position_name
from sync.importing.inputs.table_bounds import check_cells
from sync.importing.inputs.text_lines import (
    NO_DELIMITER,
    find_delimiter,
    find_quote,
    is_aligned_with_tabs,
    is_spaced,
    replace_tabs,
    separate_units,
    start_at_header,
)

__all__ = ["BAD_ROWS_KEY", "read_delimited"]

BAD_ROWS_KEY = "galaxyloop_bad_rows"
"""Key of a table's `meta` with the numbers of unreadable rows, starting at 1, and the reasons."""
DECIMAL_POINT = re.compile(r'(?:^|[;\t])\s*"?[+-]?\d*\.\d+(?:[eE][+-]?\d+)?"?\s*(?:[;\t]|$)', re.MULTILINE)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*\n', re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
MISSING = ("N/A", "n/a", "NA", "null", "Null", "NULL", "None", "--")
"""Strings for a missing number; in a column of strings they may be names."""
AS_WRITTEN = re.compile(r"0\d+|.*_.*")
"""Identifiers that Python would parse as numbers: 000123, 12_3."""
LONGEST_NUMBER = 64
MAX_FIELDS = 100_000
FEWEST_LINES = 6
"""Below this number of lines, bad lines are always listed; above it, a file of mostly bad lines is not a table."""


def read_delimited(text: str, *, as_text: Collection[str] = (), file: Path) -> Table:
    """Read a table whose columns are separated by commas, semicolons, tabs, bars or spaces.

    Comments before the header are ignored, unless one of them is the header. A first line `sep=;` sets the delimiter. With
    semicolons or tabs, commas are decimal if no number has a decimal point, or if the columns of the position have decimal
    commas. A row with more values than columns is masked and listed in the table's `meta`.

    Parameters
    ----------
    text : str
        Content of the file, with line ends of one character.
    as_text : collection of str
        Columns whose numbers remain strings.
    file : Path
        For messages.

    Raises
    ------
    InputError
        If the table has too many values, or no header.
    """
    separator_line = SEPARATOR_LINE.match(text)
    separator = separator_line[1] if separator_line else None
    text = start_at_header(text[separator_line.end() :] if separator_line else text, separator)
    header = text.partition("\n")[0]
    delimiter = separator or find_delimiter(header)
    quote = find_quote(text, delimiter)
    if separator is None and is_aligned_with_tabs(text, delimiter):
        delimiter = " "
    elif delimiter == " " and not is_spaced(text, quote):
        delimiter = NO_DELIMITER
    text, column_units = separate_units(text, delimiter)
    if delimiter == " ":
        text = replace_tabs(text)
    columns, faulty_rows = _read_columns(text, delimiter, quote, file=file)
    has_points = delimiter not in ";\t" or DECIMAL_POINT.search(text) is not None
    decimal_commas = delimiter in ";\t" and (
        not has_points or any(_has_decimal_commas(values) for name, values in columns.items() if is_position_name(name))
    )
    table = Table()
    for name in list(columns):
        table[name] = _column(columns.pop(name), decimal_commas=decimal_commas, as_text=name in as_text)
    for name, unit in zip(table.colnames, column_units, strict=False):
        parsed_unit = units.Unit(unit, format="cds", parse_strict="silent") if unit else None
        if parsed_unit is not None and not isinstance(parsed_unit, units.UnrecognizedUnit):
            table[name].unit = parsed_unit
    if faulty_rows:
        table.meta[BAD_ROWS_KEY] = faulty_rows
    return table


def _read_columns(text: str, delimiter: str, quote: str, *, file: Path) -> tuple[dict[str, list[str]], dict[int, str]]:
    """Return the strings of each column, and the numbers of unreadable rows with the reasons."""
    csv.field_size_limit(max(csv.field_size_limit(), 2**20))
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, quotechar=quote, skipinitialspace=True, strict=True)
    records = _records(reader)
    _, names = next(records, (0, []))
    if isinstance(names, str):
        raise InputError(f"{file} has no header that can be read: {names}")
    while len(names) > 1 and not names[-1].strip():
        names = names[:-1]
    words = " ".join(names).split() if delimiter == NO_DELIMITER else names
    if words and 2 * sum(NUMBER.fullmatch(word.strip()) is not None for word in words) > len(words):
        raise InputError(f"{file} has no line with the names of its columns: it begins with {', '.join(names)[:100]}")
    if len(names) > MAX_FIELDS:
        raise InputError(f"{file} has {len(names)} columns, more than the {MAX_FIELDS} that are read")
    check_cells(text.count("\n"), len(names), file=file)
    width = len(names)
    columns: list[list[str]] = [[] for _ in names]
    faulty_rows: dict[int, str] = {}
    number = 0
    widths: Counter[int] = Counter()
    for line, record in records:
        if isinstance(record, str):
            number += 1
            faulty_rows[number] = record
            values: Sequence[str] = [""] * width
        else:
            if _is_ignored(record, width):
                continue
            number += 1
            widths[len(record)] += 1
            values = record
            # Where spaces separate, a missing value shifts all that follow.
            is_short = delimiter == " " and len(record) < width
            if is_short or (len(record) > width and any(value.strip() for value in record[width:])):
                faulty_rows[number] = f"line {line} has {len(record)} values for {width} columns"
                values = [""] * width
        for index, column in enumerate(columns):
            column.append(values[index].strip() if index < len(values) else "")
    if number >= FEWEST_LINES and (2 * len(faulty_rows) > number or (faulty_rows and 3 * max(widths.values()) < number)):
        raise InputError(
            f"{file} is not a table: most of its {number} lines have another number of values than the line of names, "
            f"{names[0][:40]!r} and so on ({next(iter(faulty_rows.values()))})"
        )
    return dict(zip(_make_unique(names), columns, strict=True)), faulty_rows


def _records(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the line on which each record ends, and the record, or a string with the reason why it is unreadable."""
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


def _is_ignored(record: Sequence[str], width: int) -> bool:
    """Return whether a record is blank, has only empty values, or is a comment."""
    if not any(value.strip() for value in record):
        return True
    return record[0].startswith("#") and (len(record) < width or record[0][1:2] in (" ", ""))


def _make_unique(names: Sequence[str]) -> list[str]:
    unique: list[str] = []
    for index, original in enumerate(names):
        name = bare = original.strip() or f"col{index}"
        count = 0
        while name in unique:
            count += 1
            name = f"{bare}_{count}"
        unique.append(name)
    return unique


def _has_decimal_commas(values: Sequence[str]) -> bool:
    return any(DECIMAL_COMMA.fullmatch(value) for value in values)


def _column(values: list[str], *, decimal_commas: bool, as_text: bool) -> MaskedColumn:
    """Return a column of numbers if all values are numbers or missing; else a column of strings."""
    texts = np.array(values, dtype=object)
    is_empty = texts == ""
    if as_text:
        return MaskedColumn(texts, mask=is_empty)
    is_missing = is_empty | np.isin(texts, MISSING)
    numbers = _parse_numbers(texts[~is_missing], decimal_commas=decimal_commas)
    if numbers is None:
        return MaskedColumn(texts, mask=is_empty)
    data = np.zeros(len(texts), dtype=numbers.dtype)
    data[~is_missing] = numbers
    return MaskedColumn(data, mask=is_missing)


def _parse_numbers(texts: NDArray[np.object_], *, decimal_commas: bool) -> NDArray[np.number] | None:
    if any(len(text) > LONGEST_NUMBER or AS_WRITTEN.fullmatch(text) for text in texts):
        return None
    plain_texts = texts.astype(str)
    if decimal_commas:
        if any("," in text and not DECIMAL_COMMA.fullmatch(text) for text in texts):
            return None
        plain_texts = np.char.replace(plain_texts, ",", ".")
    for kind in (np.int64, np.float64):
        try:
            return plain_texts.astype(kind)
        except ValueError:
            continue
        except OverflowError:  # identifiers of more than 64 bits
            return None
    return None
