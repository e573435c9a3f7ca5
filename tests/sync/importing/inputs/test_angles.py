"""Angles: numbers, numbers written as texts, sexagesimal texts, and units as files name them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Column, MaskedColumn, Table

from sync.importing.inputs.catalogue import open_catalogue, positions
from sync.importing.inputs.item import InputError


def right_ascension(column: Any) -> list[float | None]:
    table = Table({"ra": column, "dec": np.zeros(len(column))})
    return [None if position is None else position.ra for position in positions(table)]


def test_a_text_that_is_a_number_is_in_degrees() -> None:
    assert right_ascension(["150.1", "N/A", "10:00:00"]) == [150.1, None, pytest.approx(150)]


def test_a_text_that_is_a_number_is_in_the_unit_of_its_column() -> None:
    assert right_ascension(Column(["150.1"], unit="deg")) == [150.1]
    assert right_ascension(Column(["10.0"], unit="hourangle")) == [pytest.approx(150)]


def test_sexagesimal_texts_need_no_unit_that_is_known() -> None:
    assert right_ascension(Column(["10 00 00"], unit=units.Unit("h:m:s", parse_strict="silent"))) == [pytest.approx(150)]


@pytest.mark.parametrize(
    "value",
    [np.array([np.nan]), MaskedColumn([1.0], mask=True), ["25:00:00"], [True], [1 + 2j], [[1.0, 2.0]], ["nan"], ["M51"]],
    ids=str,
)
def test_a_value_that_is_not_an_angle_gives_no_position(value: Any) -> None:
    assert right_ascension(value) == [None]


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("degrees", 10), ("DEG", 10), ("Degrees", 10), ("", 10), ("hr", 150), ("hours", 150), ("Radians", 572.957795 - 360)],
)
def test_units_of_fits_tables_may_have_other_spellings(tmp_path: Path, unit: str, expected: float) -> None:
    value = 10.0 if unit != "Radians" else 10.0 - 2 * np.pi
    file = fits_table(tmp_path, ra=(value, unit), dec=(1.0, "deg"))
    (position,) = positions(open_catalogue(file))
    assert position is not None
    assert position.ra == pytest.approx(expected)


@pytest.mark.parametrize(("ra", "dec", "column"), [("furlong", "deg", "'ra' is in 'furlong'"), ("deg", "h", "'dec' is in 'h'")])
def test_a_unit_that_is_not_a_unit_of_angles_is_named(tmp_path: Path, ra: str, dec: str, column: str) -> None:
    table = open_catalogue(fits_table(tmp_path, ra=(10.0, ra), dec=(1.0, dec)))
    with pytest.raises(InputError, match=f"the column {column}, which is not a known unit of angles"):
        positions(table)


def fits_table(folder: Path, **columns: tuple[float, str]) -> Path:
    fits_columns = [fits.Column(name, "D", array=np.array([value]), unit=unit) for name, (value, unit) in columns.items()]
    fits.BinTableHDU.from_columns(fits_columns).writeto(folder / "table.fits")
    return folder / "table.fits"
