"""The classes of a label image's values, from a table."""

from __future__ import annotations

from pathlib import Path

from sync.regions.catalogue import open_table
from sync.regions.marks import RegionsError

__all__ = ["read_classes"]

VALUES = ("value", "id", "instance", "number", "object")
CLASSES = ("class", "label", "name", "category")


def read_classes(file: Path) -> dict[int, str]:
    """Read a table with a column of values and a column of classes, in any format of catalogues.

    Returns
    -------
    dict of int to str
        Maps a value to its class.

    Raises
    ------
    RegionsError
        If the table cannot be read, lacks a column, or has values that are not integers.
    """
    table = open_table(file)
    by_lower = {str(name).strip().lower(): name for name in reversed(table.colnames)}
    value, label = (next((by_lower[name] for name in names if name in by_lower), None) for names in (VALUES, CLASSES))
    if value is None or label is None:
        raise RegionsError(f"{file} must have the columns `value` and `class`: it has {', '.join(table.colnames)}")
    try:
        return {int(number): str(name).strip() for number, name in zip(table[value], table[label], strict=True)}
    except (TypeError, ValueError) as error:
        raise RegionsError(f"the column {value} of {file} must hold whole numbers") from error
