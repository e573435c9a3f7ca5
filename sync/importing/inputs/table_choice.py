"""Choice of one of several tables of a file by name or number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sync.importing.inputs.item import InputError

__all__ = ["TableEntry", "choose_table"]

Content = TypeVar("Content")
LISTED = 20


@dataclass(frozen=True, slots=True)
class TableEntry(Generic[Content]):
    """One table of a file.

    Attributes
    ----------
    number : int
        Number of the extension in a FITS file; otherwise the position of the table, starting at 1.
    name : str
        Name of the table; empty if it has none.
    rows : int or None
        Number of rows; None if the table must be read to count them.
    content : object
    """

    number: int
    name: str
    rows: int | None
    content: Content


def choose_table(entries: Sequence[TableEntry[Content]], name: str | None, *, file: Path) -> Content:
    """Return the selected table.

    Parameters
    ----------
    entries : sequence of TableEntry
    name : str or None
        Name, in any case, or number. None selects the only table with rows.
    file : Path
        For messages.

    Raises
    ------
    InputError
        If there is no table, no or several tables of that name, or several tables and `name` is None.
    """
    if not entries:
        raise InputError(f"{file} has no table")
    if name is None:
        tables = [entry for entry in entries if entry.rows != 0] or list(entries[:1])
    else:
        tables = [entry for entry in entries if entry.name.lower() == name.strip().lower()]
        tables = tables or [entry for entry in entries if str(entry.number) == name.strip()]
    if len(tables) == 1:
        return tables[0].content
    descriptions = ", ".join(_describe(entry) for entry in entries[:LISTED])
    suffix = f" and {len(entries) - LISTED} more" if len(entries) > LISTED else ""
    if name is None:
        raise InputError(
            f"{file} has several tables: choose one with --catalogue-table, by name or number: {descriptions}{suffix}"
        )
    if tables:
        raise InputError(f"{file} has several tables named {name!r}: choose one by its number: {descriptions}{suffix}")
    raise InputError(f"{file} has no table {name!r}: it has {descriptions}{suffix}")


def _describe(entry: TableEntry[Content]) -> str:
    rows = "" if entry.rows is None else f" ({entry.rows} rows)"
    return f"{entry.number}{f' {entry.name}' if entry.name else ''}{rows}"
