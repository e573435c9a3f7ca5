"""Rows become items with the name of their position or address, which are read later."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from sync.errors.images import ImageError
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.catalogue_items import address_items, cutout_items
from sync.importing.inputs.item import InputError


def test_a_row_is_cut_out_only_when_it_is_read() -> None:
    requests: list[Position] = []

    def cut(position: Position) -> bytes:
        requests.append(position)
        return b"cut-out"

    table = Table({"ra": [150.1], "dec": [-2.2], "redshift": [0.5]})
    (item,) = cutout_items(table, cut, identity=lambda position: str(position).encode())
    assert requests == []
    assert item.data == {"ra": 150.1, "dec": -2.2, "redshift": 0.5}
    assert item.filename == "J100024.0-021200.0.fits"
    assert item.identity == str(Position(150.1, -2.2)).encode()
    assert (item.read(), requests) == (b"cut-out", [Position(150.1, -2.2)])


def test_a_row_without_position_does_not_stop_the_others() -> None:
    table = Table({"ra": [np.nan, 1.0], "dec": [0.0, 0.0]})
    bad_item, good_item = cutout_items(table, lambda _: b"cut-out")
    with pytest.raises(ImageError, match="the row has no position"):
        bad_item.read()
    assert bad_item.name == "row 1"
    assert good_item.read() == b"cut-out"


def test_columns_that_the_position_replaces_are_renamed() -> None:
    table = Table({"ra": ["10:00:24"], "dec": [-2.2], "ra_deg": [150.1]})
    (item,) = cutout_items(table, lambda _: b"", ra="ra_deg")
    assert item.data == {"ra": 150.1, "dec": -2.2, "ra_deg": 150.1, "catalogue_ra": "10:00:24"}


def test_only_the_named_columns_are_stored() -> None:
    table = Table({"ra": [1.0], "dec": [0.0], "redshift": [0.5], "mag": [20.0]})
    (item,) = cutout_items(table, lambda _: b"", columns=["mag"])
    assert item.data == {"ra": 1.0, "dec": 0.0, "mag": 20.0}


def test_an_address_is_fetched_and_names_the_file() -> None:
    table = Table({"url": ["https://host/path/m51.png?token=1"], "redshift": [0.5]})
    (item,) = address_items(table, lambda address: address.encode())
    assert item.filename == "m51.png"
    assert item.read() == b"https://host/path/m51.png?token=1"
    assert item.data == {"url": "https://host/path/m51.png?token=1", "redshift": 0.5}


def test_the_position_of_a_list_of_addresses_is_read_as_that_of_a_catalogue() -> None:
    table = Table({"url": ["https://host/a.png"], "ra": [150], "dec": ["-00:30:00"]})
    (item,) = address_items(table, lambda _: b"")
    assert item.data == {"url": "https://host/a.png", "ra": 150.0, "dec": -0.5, "catalogue_dec": "-00:30:00"}


def test_a_list_of_addresses_keeps_columns_without_a_position() -> None:
    half = Table({"url": ["https://host/a.png"], "ra": [150.1]})
    unknown = Table({"url": ["https://host/a.png"], "ra": [np.nan], "dec": [2.0]})
    (first,), (second,) = (address_items(table, lambda _: b"", columns=table.colnames[1:]) for table in (half, unknown))
    assert first.data == {"catalogue_ra": 150.1}
    assert second.data == {"catalogue_ra": None, "catalogue_dec": 2.0}


def test_a_row_without_address_does_not_stop_the_others() -> None:
    table = Table({"url": MaskedColumn(["x", " https://host/a.png "], mask=[True, False])})
    bad_item, good_item = address_items(table, lambda address: address.encode())
    with pytest.raises(ImageError, match="the row has no address"):
        bad_item.read()
    assert good_item.read() == b"https://host/a.png"


def test_a_list_without_addresses_is_rejected_with_its_columns() -> None:
    with pytest.raises(InputError, match="no column 'url': it has link"):
        address_items(Table({"link": ["https://host/a.png"]}), lambda _: b"")
