"""A table joined to pictures by file name or id: the commonest data set of a team is a folder of JPEGs and a CSV of ids.

A key is compared with a picture's path, its file name, and its name without a suffix, in this order and whatever their
case; then as an integer, so that 123 is 000123.jpg. A row may be that of several pictures; a picture that two rows claim has
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath

from astropy.table import Table

from sync.importing.inputs.catalogue import bad_rows, has_positions, positions, rows
from sync.importing.inputs.item import InputError, Item
from sync.importing.inputs.json_columns import json_values
from sync.importing.inputs.objects import bad_row_item, with_position

__all__ = ["join_table"]

SUFFIX = re.compile(r"\.(?:png|jpe?g|gif|webp|tiff?|fits?|fts|fz)(?:\.(?:gz|bz2|fz))?$|\.gz$", re.IGNORECASE)
WHOLE = re.compile(r"([+-]?\d{1,100})(?:\.0*)?")
ROUNDED = re.compile(r"[+-]?\d(?:\.\d+)?[eE]\+?\d+")
NAMED_ROWS = 5
LISTED_ROWS = 1000


@dataclass(frozen=True, slots=True)
class _Keys:
    """Rows by what can be compared with a picture, the surest first."""

    paths: dict[str, list[int]]
    names: dict[str, list[int]]
    stems: dict[str, list[int]]
    integers: dict[int, list[int]]
    """Of keys that are not written as Python writes the integer, such as 000123 and 123.0."""


def join_table(
    items: Sequence[Item],
    table: Table,
    *,
    key: str,
    file: Path,
    ra: str | None = None,
    dec: str | None = None,
    columns: Sequence[str] | None = None,
) -> list[Item]:
    """Give each picture the columns of its row; pictures without a row, and rows without a picture, are items that name why.

    Parameters
    ----------
    items : sequence of Item
        Pictures, called by their paths.
    table : Table
        Its key column as it is written.
    key : str
        Column of file names or ids.
    file : Path
        The table's, for messages.
    ra, dec : str, optional
        Columns of the position, which becomes that of the task; without them those that are found.
    columns : sequence of str, optional
        Which travel with the task; all without it.

    Raises
    ------
    SourceError
        If a column is missing, or no row is that of any picture.
    """
    if key not in table.colnames:
        raise InputError(
            f"{file} has no column {key!r}: name that of file names or ids with --key, it has {', '.join(table.colnames)}"
        )
    values = [_text(value) for value in json_values(table[key])]
    unreadable = bad_rows(table)
    keys = _keys({index: value for index, value in enumerate(values) if value and index + 1 not in unreadable})
    claims = [_rows_of(item.name, keys) for item in items]
    if items and not any(claims):
        example = next((value for value in values if value), "nothing")
        raise InputError(
            f"no row of {file} is that of a picture: its column {key!r} holds {example!r}, "
            f"the first picture is {items[0].name!r}"
        )
    needed = sorted({index for claim in claims for index in claim})
    data = dict(zip(needed, _rows(table, needed, ra=ra, dec=dec, columns=columns), strict=True))
    joined = [_joined(item, claim, data, file=file) for item, claim in zip(items, claims, strict=True)]
    used = set(needed)
    left_over = (index for index, value in enumerate(values) if index not in used or index + 1 in unreadable)
    listed = [_without_picture(index, values[index], unreadable, file=file) for index in islice(left_over, LISTED_ROWS)]
    more = sum(1 for _ in left_over)
    if more:  # of a catalogue of the sky beside some thousand pictures of it
        listed.append(replace(bad_row_item(0, "no picture is called so"), name=f"{more} more rows of {file}"))
    return joined + listed


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _keys(values: dict[int, str]) -> _Keys:
    keys = _Keys({}, {}, {}, {})
    for index, value in values.items():
        path = _path(value)
        if "/" in path:
            keys.paths.setdefault(path, []).append(index)
            continue
        keys.names.setdefault(path, []).append(index)
        stem = _stem(path)
        if stem != path:
            keys.stems.setdefault(stem, []).append(index)
        whole = WHOLE.fullmatch(stem)
        if whole and str(int(whole[1])) != path:
            keys.integers.setdefault(int(whole[1]), []).append(index)
    return keys


def _path(name: str) -> str:
    """A path as it is compared: parts as Linux separates them, without `./`, in lower case."""
    path = name.strip().replace("\\", "/").lower()
    return path.strip("/") if "/./" not in path and not path.startswith("./") else PurePosixPath(path).as_posix().strip("/")


def _stem(name: str) -> str:
    return SUFFIX.sub("", name) if "." in name else name


def _rows_of(picture: str, keys: _Keys) -> list[int]:
    path = _path(picture)
    parts = path.split("/")
    if keys.paths:
        for start in range(len(parts) - 1):  # the longest end first
            end = "/".join(parts[start:])
            claim = keys.paths.get(end) or keys.paths.get(_stem(end))
            if claim:
                return claim
    name, stem = parts[-1], _stem(parts[-1])
    claim = keys.names.get(name) or keys.names.get(stem) or keys.stems.get(stem)
    if claim:
        return claim
    whole = WHOLE.fullmatch(stem)
    if whole is None:
        return []
    number = int(whole[1])
    return sorted({*keys.names.get(str(number), ()), *keys.integers.get(number, ())})


def _rows(
    table: Table, indices: list[int], *, ra: str | None, dec: str | None, columns: Sequence[str] | None
) -> Iterator[dict[str, object]]:
    part = table[indices]
    has_place = ra is not None or dec is not None or has_positions(part)
    places = positions(part, ra=ra, dec=dec) if has_place else [None] * len(part)
    for row, place in zip(rows(part, columns=columns), places, strict=True):
        yield dict(row.columns) if place is None else with_position(row, place)


def _joined(item: Item, claim: Sequence[int], data: dict[int, dict[str, object]], *, file: Path) -> Item:
    if not claim:
        return replace(bad_row_item(0, f"no row of {file} is that of this picture"), name=item.name)
    first = data[claim[0]]
    if any(data[index] != first for index in claim[1:]):
        numbers = ", ".join(str(index + 1) for index in claim[:NAMED_ROWS])
        more = "" if len(claim) <= NAMED_ROWS else f" and {len(claim) - NAMED_ROWS} more"
        reason = f"the rows {numbers}{more} of {file} are all those of this picture and differ: keep one"
        return replace(bad_row_item(0, reason), name=item.name)
    return replace(item, data={**item.data, **first})


def _without_picture(index: int, value: str, unreadable: dict[int, str], *, file: Path) -> Item:
    number = index + 1
    if number in unreadable:
        reason = unreadable[number]
    elif not value:
        reason = "the row has no key"
    elif ROUNDED.fullmatch(value):
        reason = "no picture is called so: the key is a rounded number, write the column as text"
    else:
        reason = "no picture is called so"
    called = f" ({value})" if value else ""
    return replace(bad_row_item(number, reason), name=f"row {number} of {file}{called}")
