"""The columns that came in with the images: what the tasks' data hold besides the image, typed, for every format.

A data set can so be joined to the catalogue, or to the folder of files, that it was made of.
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

from sync.export.pictures import basename
from sync.export.records import Record
from sync.export.storage_references import as_stored

__all__ = ["MOST_COLUMNS", "DataColumn", "DataColumns", "content_of", "data_for_json", "data_row", "named", "original_name"]

Value = bool | int | float | str

MOST_COLUMNS = 500
LARGEST_INT = 2**53
"""Readers of JSON, and many of tables, keep whole numbers up to here; larger ones travel as texts."""

OWN = frozenset({"filename", "content_id"})
"""Keys of a task's data that each format has a place of its own for."""

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""Label Studio writes this before the names of uploaded files."""


@dataclass(frozen=True, slots=True)
class DataColumn:
    """One key of the tasks' data.

    Attributes
    ----------
    key : str
    dtype : type
        bool, int, float or str, which holds what all tasks have there; lists, objects and mixtures are texts.
    nested : bool
        Whether some task has a list or an object there, which are JSON as texts.
    optional : bool
        Whether some task has nothing there.
    """

    key: str
    dtype: type
    nested: bool = False
    optional: bool = False

    def value(self, data: Mapping[str, Any]) -> Value | None:
        """Return what a task has there, as `dtype`; None for nothing."""
        value = data.get(self.key)
        if _is_missing(value) or (value == "" and self.dtype is not str):
            return None
        if self.dtype is str:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return self.dtype(value)  # type: ignore[no-any-return]


@dataclass
class _Kinds:
    """What tasks have under one key."""

    types: set[type] = field(default_factory=set)
    tasks: int = 0
    nested: bool = False
    huge: bool = False
    empty: bool = False


@dataclass
class DataColumns:
    """Gathers the keys of tasks, one after another.

    Attributes
    ----------
    image_keys : collection of str
        Keys under which tasks name their images, such as ``image`` or ``bands[0].url``.
    """

    image_keys: Collection[str] = ()
    _tasks: int = 0
    _kinds: dict[str, _Kinds] = field(default_factory=dict)
    _dropped: int = 0

    def add(self, data: Mapping[str, Any]) -> None:
        """Take in the data of one task."""
        self._tasks += 1
        images = {re.split(r"[.\[]", key, maxsplit=1)[0] for key in self.image_keys} | set(self.image_keys)
        for key, value in data.items():
            if key in images or key in OWN or _is_missing(value):
                continue
            if key not in self._kinds and len(self._kinds) == MOST_COLUMNS:
                self._dropped += 1
                continue
            kinds = self._kinds.setdefault(key, _Kinds())
            kinds.tasks += 1
            kinds.empty = kinds.empty or value == ""
            kinds.nested = kinds.nested or isinstance(value, list | dict)
            kinds.huge = kinds.huge or (type(value) is int and abs(value) > LARGEST_INT)
            if value != "":
                kinds.types.add(type(value))

    def columns(self) -> tuple[DataColumn, ...]:
        """Return the columns, in the order in which they were met."""
        return tuple(
            DataColumn(key, _dtype(kinds), kinds.nested, kinds.tasks < self._tasks or kinds.empty)
            for key, kinds in self._kinds.items()
        )

    @property
    def dropped(self) -> int:
        """Values that were left out since tasks have more than `MOST_COLUMNS` keys."""
        return self._dropped


def named(
    columns: Iterable[DataColumn], *, taken: Iterable[str], clean: Callable[[str], str] = lambda name: name
) -> dict[str, DataColumn]:
    """Name the columns of a table of a format.

    Parameters
    ----------
    columns : iterable of DataColumn
    taken : iterable of str
        Names of the format's own columns: one that is called like them, in any case, is called ``catalogue_<name>``.
    clean : callable, optional
        Writes a name as the format can hold it.

    Returns
    -------
    dict
        Name to column.
    """
    columns = list(columns)
    own = {name.casefold() for name in taken}
    keys = {clean(column.key).casefold() for column in columns}
    given: dict[str, DataColumn] = {}
    used = set(own)
    for column in columns:
        first = clean(column.key) or "catalogue_"
        if first.casefold() in own and f"catalogue_{first}".casefold() in keys:
            continue  # the import's own ra, say: the format's column holds it, and catalogue_ra is the catalogue's
        prefixed = (f"catalogue_{number or ''}{'_' if number else ''}{first}" for number in chain([0], count(2)))
        name = next(
            name
            for name in chain([first], prefixed)
            if name.casefold() not in used and (name == first or name.casefold() not in keys)
        )
        used.add(name.casefold())
        given[name] = column
    return given


def data_row(columns: Iterable[DataColumn], record: Record) -> list[Value | None]:
    """Return the values of one record, by column."""
    columns = list(columns)
    data = as_stored({column.key: record.data.get(column.key) for column in columns})
    return [column.value(data) for column in columns]


def data_for_json(columns: Iterable[DataColumn], record: Record) -> dict[str, Any]:
    """Return a record's data as JSON holds them: lists and objects as they are, and nothing where there is nothing."""
    data = as_stored({column.key: record.data.get(column.key) for column in columns})
    values = {column.key: data[column.key] if column.nested else column.value(data) for column in columns}
    return {key: _finite(value) for key, value in values.items() if value is not None}


def original_name(record: Record) -> str:
    """Return what the file of a record's image was called where it came from; empty where nothing tells."""
    name = record.data.get("filename")
    if record.image is None and isinstance(name, str | int | float) and str(name):
        return str(name)
    called = basename(record.reference)
    return _UPLOADED.sub("", called, count=1) if _is_upload(record.reference) else called


def content_of(record: Record) -> str:
    """Return the `content_id` that the import wrote; empty where there is none."""
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
    """JSON has no number that is infinite or none, and large ones are texts here."""
    if isinstance(value, Mapping):
        return {str(key): _finite(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_finite(held) for held in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if type(value) is int and abs(value) > LARGEST_INT else value
