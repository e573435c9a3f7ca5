"""Join of a table with images by file name or id, for example a folder of JPEG files and a CSV file of ids.

One row may match several images. An image that matches two different rows is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from astropy.table import Table

from sync.importing.inputs.catalogue import bad_rows, has_positions, positions, rows
from sync.importing.inputs.catalogue_items import bad_row_item, with_position
from sync.importing.inputs.item import InputError, Item
from sync.importing.inputs.json_columns import json_values
from sync.importing.inputs.table_keys import file_names, index_keys, is_rounded

__all__ = ["JOINED", "KeyedTable", "TableMatches", "join_table", "match_table"]

JOINED = 256
"""Images that are joined to the table at once."""

NAMED_ROWS = 5
LISTED_ROWS = 1000


class KeyedTable:
    """A table whose rows are joined to images by a column of file names or ids.

    Parameters
    ----------
    table : Table
        Table whose key column contains the strings of the file.
    key : str
        Column of file names or ids.
    file : Path
        File of the table, for messages.
    ra, dec : str, optional
        Columns of the task's position; by default, common names are used.
    columns : sequence of str, optional
        Columns to store in the task; all by default.

    Attributes
    ----------
    key, file
        As given.
    values : list of str
        The key of each row.
    unreadable : dict of int to str
        The numbers of unreadable rows, from 1, and the reasons.

    Raises
    ------
    InputError
        If the key column is missing.
    """

    def __init__(
        self,
        table: Table,
        *,
        key: str,
        file: Path,
        ra: str | None = None,
        dec: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        if key not in table.colnames:
            raise InputError(
                f"{file} has no column {key!r}: name that of file names or ids with --key, it has {', '.join(table.colnames)}"
            )
        self._table, self._sky, self._columns = table, (ra, dec), columns
        self.key, self.file = key, file
        self.values = [_text(value) for value in json_values(table[key])]
        self.unreadable = bad_rows(table)
        self._index = index_keys(
            {index: value for index, value in enumerate(self.values) if value and index + 1 not in self.unreadable}
        )

    def match(self, names: Sequence[str], *, counts: Mapping[str, int] | None) -> list[list[int]]:
        """Return the rows that match each image, by its name; `counts` is that of `KeyIndex.match`."""
        return [self._index.match(name, counts=counts) for name in names]

    def join(self, items: Sequence[Item], matches: Sequence[Sequence[int]]) -> list[Item]:
        """Return each image with the columns of its row; a failing item for one that has none, or several that differ."""
        needed_rows = sorted({index for match in matches for index in match})
        rows_of_items = _rows(self._table, needed_rows, sky=self._sky, columns=self._columns) if needed_rows else ()
        data = dict(zip(needed_rows, rows_of_items, strict=True))
        return [_join(item, match, data, file=self.file) for item, match in zip(items, matches, strict=True)]


@dataclass(frozen=True, slots=True)
class TableMatches:
    """The rows of a table that match images.

    Attributes
    ----------
    table : KeyedTable
    rows : sequence of sequence of int
        The rows of each image.
    left_over : sequence of Item
        A failing item for each row without an image; beyond `LISTED_ROWS`, one for all further rows.
    """

    table: KeyedTable
    rows: Sequence[Sequence[int]]
    left_over: Sequence[Item]

    def __len__(self) -> int:
        return len(self.rows) + len(self.left_over)

    def join(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the images, in the order of `rows`, with the columns of their rows, and then the rows without an image."""
        source = iter(items)
        start = 0
        while group := list(islice(source, JOINED)):
            yield from self.table.join(group, self.rows[start : start + len(group)])
            start += len(group)
        yield from self.left_over


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
    """Add the columns of its row to each image; images without a row and rows without an image become failing items.

    Parameters
    ----------
    items : sequence of Item
        Images, named by their paths.
    table, key, file, ra, dec, columns
        As for `KeyedTable`.

    Raises
    ------
    InputError
        As for `match_table`.
    """
    keyed_table = KeyedTable(table, key=key, file=file, ra=ra, dec=dec, columns=columns)
    return list(match_table([item.name for item in items], keyed_table).join(items))


def match_table(names: Sequence[str], table: KeyedTable) -> TableMatches:
    """Match the rows of a table with all images of an input.

    Parameters
    ----------
    names : sequence of str
        Paths of the images.
    table : KeyedTable

    Raises
    ------
    InputError
        If no row matches any image.
    """
    file, values, unreadable = table.file, table.values, table.unreadable
    matches = table.match(names, counts=file_names(names))
    if names and not any(matches):
        example = next((value for value in values if value), "nothing")
        hint = " (a rounded number: write the column as text)" if is_rounded(example) else ""
        raise InputError(
            f"no row of {file} matches an image: the column {table.key!r} holds {example!r}{hint}, "
            f"the first image is {names[0]!r}"
        )
    rows_used = {index for match in matches for index in match}
    left_over = (index for index, value in enumerate(values) if index not in rows_used or index + 1 in unreadable)
    listed_items = [_without_image(index, values[index], unreadable, file=file) for index in islice(left_over, LISTED_ROWS)]
    further_count = sum(1 for _ in left_over)
    if further_count:  # for example a large catalogue with images of some of its objects
        listed_items.append(replace(bad_row_item(0, "no image has this name"), name=f"{further_count} more rows of {file}"))
    return TableMatches(table, matches, listed_items)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _rows(
    table: Table, indices: list[int], *, sky: tuple[str | None, str | None], columns: Sequence[str] | None
) -> Iterator[dict[str, object]]:
    part, (ra, dec) = table[indices], sky
    has_place = ra is not None or dec is not None or has_positions(part)
    places = positions(part, ra=ra, dec=dec) if has_place else [None] * len(part)
    for row, place in zip(rows(part, columns=columns), places, strict=True):
        yield dict(row.columns) if place is None else with_position(row, place)


def _join(item: Item, match: Sequence[int], data: dict[int, dict[str, object]], *, file: Path) -> Item:
    if not match:
        return replace(bad_row_item(0, f"no row of {file} matches this image"), name=item.name)
    first = data[match[0]]
    if any(data[index] != first for index in match[1:]):
        numbers = ", ".join(str(index + 1) for index in match[:NAMED_ROWS])
        suffix = "" if len(match) <= NAMED_ROWS else f" and {len(match) - NAMED_ROWS} more"
        reason = f"the rows {numbers}{suffix} of {file} match this image and differ: keep one"
        return replace(bad_row_item(0, reason), name=item.name)
    return replace(item, data={**item.data, **first})


def _without_image(index: int, value: str, unreadable: dict[int, str], *, file: Path) -> Item:
    number = index + 1
    if number in unreadable:
        reason = unreadable[number]
    elif not value:
        reason = "the row has no key"
    elif is_rounded(value):
        reason = "no image has this name: the key is a rounded number, write the column as text"
    else:
        reason = "no image has this name"
    suffix = f" ({value})" if value else ""
    return replace(bad_row_item(number, reason), name=f"row {number} of {file}{suffix}")
