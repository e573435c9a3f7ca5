"""Reader of ECSV files with astropy; damaged rows are masked and listed, and the others are read."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from astropy.table import Table
from astropy.table.meta import get_header_from_yaml

from sync.importing.inputs.csv_table import BAD_ROWS_KEY
from sync.importing.inputs.table_bounds import check_cells

__all__ = ["read_ecsv"]

NUMBERS = ("int", "uint", "float")


def read_ecsv(text: str, *, file: Path) -> Table:
    """Read an ECSV file.

    A row with another number of values than columns, or with a non-numeric value in a column of numbers, is masked and listed
    in the table's `meta`.

    Parameters
    ----------
    text : str
        Content of the file, with line ends of one character.
    file : Path
        For messages.
    """
    # A list of lines, because astropy treats a string of one line as a file name or a URL.
    lines = text.rstrip("\n").split("\n")
    check_cells(len(lines), 1, file=file)
    try:
        return Table.read(lines, format="ascii.ecsv")
    except ValueError:
        repaired_lines, faulty_rows = _mask_bad_rows(lines)
        if not faulty_rows:
            raise
    table = Table.read(repaired_lines, format="ascii.ecsv")
    table.meta[BAD_ROWS_KEY] = faulty_rows
    return table


def _mask_bad_rows(lines: Sequence[str]) -> tuple[list[str], dict[int, str]]:
    """Return the lines with an empty row for each damaged one, and the numbers of damaged rows with the reasons."""
    comments = [line[1:].removeprefix(" ") for line in lines if line.startswith("#")]
    header = get_header_from_yaml(comments[1:])
    delimiter = str(header.get("delimiter", " "))
    types = [str(column["datatype"]) if "subtype" not in column else "string" for column in header["datatype"]]
    repaired_lines, faulty_rows, number = list(lines), {}, -1  # the line of names is row 0
    for index, line in enumerate(lines):
        if line.startswith("#") or not line.strip():
            continue
        number += 1
        if number == 0:
            continue
        values = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        reason = _find_fault(values, types)
        if reason and line.count('"') % 2 == 0:  # otherwise a quoted value continues on the next line
            faulty_rows[number] = f"line {index + 1} {reason}"
            repaired_lines[index] = delimiter.join(['""'] * len(types))
    return repaired_lines, faulty_rows


def _find_fault(values: Sequence[str], types: Sequence[str]) -> str:
    if len(values) != len(types):
        return f"has {len(values)} values for {len(types)} columns"
    for value, kind in zip(values, types, strict=True):
        if kind.startswith(NUMBERS) and value and not _is_number(value):
            return f"has {value[:50]!r} in a column of numbers"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
