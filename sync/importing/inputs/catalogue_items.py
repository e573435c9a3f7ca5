"""Items from the rows of a catalogue: a cut-out around each position, or the image at each address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from astropy.coordinates import SkyCoord
from astropy.table import Table

from sync.errors.images import ImageError
from sync.images.url_policy import shorten
from sync.importing.inputs.catalogue import Position, Row, bad_rows, has_positions, positions, rows
from sync.importing.inputs.item import InputError, Item
from sync.importing.inputs.json_columns import json_values

__all__ = ["address_items", "bad_row_item", "cutout_items", "with_position"]


def cutout_items(
    table: Table,
    cut: Callable[[Position], bytes],
    *,
    identity: Callable[[Position], bytes] | None = None,
    ra: str | None = None,
    dec: str | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Item]:
    """Return one item per row: a cut-out around its position.

    Parameters
    ----------
    table : Table
    cut : callable
        Returns a FITS file for a position.
    identity : callable, optional
        Returns bytes that identify the result of `cut`, if `cut` downloads it.
    ra, dec : str, optional
        Names of the columns with the position.
    columns : sequence of str, optional
        Columns to store in the task; all by default.

    Raises
    ------
    InputError
        If a column is missing.
    """
    pairs = zip(rows(table, columns=columns), positions(table, ra=ra, dec=dec), strict=True)
    unreadable = bad_rows(table)
    return (
        bad_row_item(row.number, unreadable[row.number]) if row.number in unreadable else _cutout(row, position, cut, identity)
        for row, position in pairs
    )


def address_items(
    table: Table, fetch: Callable[[str], bytes], *, column: str = "url", columns: Sequence[str] | None = None
) -> Iterator[Item]:
    """Return one item per row: the image at its address, with its position if the table has columns of a position.

    Parameters
    ----------
    table : Table
    fetch : callable
        Returns the bytes at an address, or raises ImageError.
    column : str
        Name of the column of addresses.
    columns : sequence of str, optional
        Columns to store in the task; all by default.

    Raises
    ------
    InputError
        If a column is missing.
    """
    if column not in table.colnames:
        raise InputError(f"the list has no column {column!r}: it has {', '.join(table.colnames)}")
    places = positions(table) if has_positions(table) else [None] * len(table)
    triples = zip(rows(table, columns=columns), json_values(table[column]), places, strict=True)
    unreadable = bad_rows(table)
    return (
        bad_row_item(row.number, unreadable[row.number])
        if row.number in unreadable
        else _at_address(row, address, position, fetch)
        for row, address, position in triples
    )


def bad_row_item(number: int, reason: str) -> Item:
    """Return an item for an unreadable row; its `read` raises ImageError with the reason."""
    return Item(f"row {number}", partial(_raise, reason), filename="")


def _cutout(
    row: Row, position: Position | None, cut: Callable[[Position], bytes], identity: Callable[[Position], bytes] | None
) -> Item:
    if position is None:
        return Item(f"row {row.number}", _no_position, filename="")
    place = SkyCoord(position.ra, position.dec, unit="deg").to_string("hmsdms", sep="", precision=1, pad=True)
    name = "J" + "".join(place.split())
    return Item(
        name=f"row {row.number} ({name})",
        read=partial(cut, position),
        filename=f"{name}.fits",
        data=with_position(row, position),
        identity=identity(position) if identity else b"",
    )


def _at_address(row: Row, address: object, position: Position | None, fetch: Callable[[str], bytes]) -> Item:
    # Without a position in the table, the task has that of the image's header.
    data = row.columns if position is None else with_position(row, position)
    if address is None or not str(address).strip():
        return Item(f"row {row.number}", _no_address, filename="", data=data)
    place = str(address).strip()
    filename = place.partition("?")[0].rstrip("/").rpartition("/")[2]
    return Item(f"row {row.number} ({shorten(place)})", partial(fetch, place), filename=filename, data=data)


def with_position(row: Row, position: Position) -> dict[str, Any]:
    """Return the columns and the position of a row; `catalogue_ra` and `catalogue_dec` are omitted if equal to the position."""
    own_position = {"ra": position.ra, "dec": position.dec}
    same = {f"catalogue_{name}": value for name, value in own_position.items()}
    return {key: value for key, value in row.columns.items() if key not in same or value != same[key]} | own_position


def _raise(reason: str) -> bytes:
    raise ImageError(reason)


def _no_address() -> bytes:
    raise ImageError("the row has no address")


def _no_position() -> bytes:
    raise ImageError("the row has no position: right ascension or declination is missing or not an angle")
