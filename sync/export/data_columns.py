"""The columns of the tasks' data besides the images, with types, for every format.

With these columns a data set can be joined to the catalogue or to the folder of files that the tasks were imported from.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any
from urllib.parse import urlsplit

from sync.export.image_files import basename
from sync.export.records import Record
from sync.export.storage_references import as_stored

__all__ = [
    "MOST_COLUMNS",
    "DataColumn",
    "DataColumns",
    "content_of",
    "data_for_json",
    "data_row",
    "name_columns",
    "original_name",
]

Value = bool | int | float | str

MOST_COLUMNS = 500
LARGEST_INT = 2**53
"""Many readers of JSON and of tables represent integers exactly up to this; larger ones are written as texts."""

OWN = frozenset({"filename", "content_id"})
"""Keys of a task's data that each format writes in a column of its own."""

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""Prefix that Label Studio adds to the names of uploaded files."""


@dataclass(frozen=True, slots=True)
class DataColumn:
    """One key of the tasks' data.

    Attributes
    ----------
    key : str
    dtype : type
        bool, int, float or str: a type that holds the values of all tasks; lists, objects and mixed types are str.
    nested : bool
        Whether some task has a list or an object under this key; these are written as JSON.
    optional : bool
        Whether some task has no value under this key.
    """

    key: str
    dtype: type
    nested: bool = False
    optional: bool = False

    def value(self, data: Mapping[str, Any]) -> Value | None:
        """Return the value of a task as `dtype`; None if it is missing."""
        value = data.get(self.key)
        if _is_missing(value) or (value == "" and self.dtype is not str):
            return None
        if self.dtype is str:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return self.dtype(value)  # type: ignore[no-any-return]


@dataclass
class _Kinds:
    """Types and properties of the values under one key."""

    types: set[type] = field(default_factory=set)
    tasks: int = 0
    nested: bool = False
    huge: bool = False
    empty: bool = False


@dataclass
class DataColumns:
    """Collects the keys and types of the tasks' data, task by task.

    Attributes
    ----------
    image_keys : collection of str
        Keys under which tasks name their images, such as ``image`` or ``bands[0].url``.
    """

    image_keys: Collection[str] = ()
    _tasks: int = 0
    _kinds: dict[str, _Kinds] = field(default_factory=dict)
    _dropped_count: int = 0

    def add(self, data: Mapping[str, Any]) -> None:
        """Add the data of one task."""
        self._tasks += 1
        images = {re.split(r"[.\[]", key, maxsplit=1)[0] for key in self.image_keys} | set(self.image_keys)
        for key, value in data.items():
            if key in images or key in OWN or _is_missing(value):
                continue
            if key not in self._kinds and len(self._kinds) == MOST_COLUMNS:
                self._dropped_count += 1
                continue
            kinds = self._kinds.setdefault(key, _Kinds())
            kinds.tasks += 1
            kinds.empty = kinds.empty or value == ""
            kinds.nested = kinds.nested or isinstance(value, list | dict)
            kinds.huge = kinds.huge or (type(value) is int and abs(value) > LARGEST_INT)
            if value != "":
                kinds.types.add(type(value))

    def columns(self) -> tuple[DataColumn, ...]:
        """Return the columns, in the order of their first occurrence."""
        return tuple(
            DataColumn(key, _dtype(kinds), kinds.nested, kinds.tasks < self._tasks or kinds.empty)
            for key, kinds in self._kinds.items()
        )

    @property
    def dropped_count(self) -> int:
        """Number of values that are left out because the tasks have more than `MOST_COLUMNS` keys."""
        return self._dropped_count


def name_columns(
    columns: Iterable[DataColumn], *, reserved_names: Iterable[str], clean: Callable[[str], str] = lambda name: name
) -> dict[str, DataColumn]:
    """Assign names to the columns of a table.

    Parameters
    ----------
    columns : iterable of DataColumn
    reserved_names : iterable of str
        Names of the format's own columns. A column with such a name, compared without case, is named ``catalogue_<name>``. If
        the tasks have that key too, the column is left out.
    clean : callable, optional
        Converts a name to one that the format can represent.

    Returns
    -------
    dict
        Maps names to columns.
    """
    columns = list(columns)
    used_names = {name.casefold() for name in reserved_names}
    keys = {clean(column.key).casefold() for column in columns}
    columns_by_name: dict[str, DataColumn] = {}
    known_names = set(used_names)
    for column in columns:
        first = clean(column.key) or "catalogue_"
        if first.casefold() in used_names and f"catalogue_{first}".casefold() in keys:
            continue  # such as the import's own ra: the format's column contains it, and catalogue_ra is the catalogue's
        candidates = (f"catalogue_{number or ''}{'_' if number else ''}{first}" for number in chain([0], count(2)))
        name = next(
            name
            for name in chain([first], candidates)
            if name.casefold() not in known_names and (name == first or name.casefold() not in keys)
        )
        known_names.add(name.casefold())
        columns_by_name[name] = column
    return columns_by_name


def data_row(columns: Iterable[DataColumn], record: Record) -> list[Value | None]:
    """Return the values of one record, in the order of `columns`; None for a missing value."""
    columns = list(columns)
    data = as_stored({column.key: record.data.get(column.key) for column in columns})
    return [column.value(data) for column in columns]


def data_for_json(columns: Iterable[DataColumn], record: Record) -> dict[str, Any]:
    """Return a record's data as a JSON object: lists and objects stay nested, and missing values are left out."""
    data = as_stored({column.key: record.data.get(column.key) for column in columns})
    values = {column.key: data[column.key] if column.nested else column.value(data) for column in columns}
    return {key: _finite(value) for key, value in values.items() if value is not None}


def original_name(record: Record) -> str:
    """Return the original name of a record's image file; empty if it is unknown.

    The name is that of the task's `filename`, if each task has one image, else the file name in the reference of the image
    without the prefix that Label Studio adds to uploads.
    """
    name = record.data.get("filename")
    if record.image is None and isinstance(name, str | int | float) and str(name):
        return str(name)
    base_name = basename(record.reference)
    return _UPLOADED.sub("", base_name, count=1) if _is_upload(record.reference) else base_name


def content_of(record: Record) -> str:
    """Return the `content_id` that the import stored in the task's data; empty if it is missing."""
    content = record.data.get("content_id")
    return "" if _is_missing(content) else str(content)


def _is_upload(reference: str) -> bool:
    try:
        return urlsplit(reference).path.startswith("/data/upload/")
    except ValueError:
        return False


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _dtype(kinds: _Kinds) -> type:
    types = kinds.types
    if kinds.nested or kinds.huge or not types:
        return str
    if len(types) == 1:
        (only,) = types
        return only if only in (bool, int, float) else str
    return float if types == {int, float} else str


def _finite(value: Any) -> Any:
    """Convert a value to JSON: NaN and infinity become null, and integers above `LARGEST_INT` become texts."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if type(value) is int and abs(value) > LARGEST_INT else value
