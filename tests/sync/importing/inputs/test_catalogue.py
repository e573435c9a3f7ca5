"""Catalogues of five formats: positions in degrees, and columns as JSON values."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table

from sync.importing.inputs.catalogue import Position, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError


@pytest.fixture
def table() -> Table:
    return Table(
        {
            "id": ["a", "b"],
            "ra": [150.1, 10.25],
            "dec": [2.2, -5.5],
            "z": MaskedColumn([0.5, 1.0], mask=[False, True]),
            "mag": np.array([21.5, np.nan], dtype=np.float32),
            "n": np.array([3, 4], dtype=np.int16),
        }
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [("c.csv", "ascii.csv"), ("c.ecsv", "ascii.ecsv"), ("c.vot", "votable"), ("c.fits", "fits"), ("c.parquet", "parquet")],
)
def test_every_format_gives_the_same_rows(table: Table, tmp_path: Path, name: str, kind: str) -> None:
    table.write(tmp_path / name, format=kind)
    read = open_catalogue(tmp_path / name)
    first, second = (row.columns for row in rows(read))
    assert first == {"id": "a", "catalogue_ra": 150.1, "catalogue_dec": 2.2, "z": 0.5, "mag": 21.5, "n": 3}
    assert (second["z"], second["mag"], second["n"]) == (None, None, 4)
    assert positions(read) == [Position(150.1, 2.2), Position(10.25, -5.5)]
    json.dumps([first, second], allow_nan=False)


def test_hours_and_sexagesimal_positions_become_degrees() -> None:
    hours = Table({"RAJ2000": [10.0] * units.hourangle, "DEJ2000": [2.2] * units.deg})
    assert positions(hours) == [Position(pytest.approx(150.0), pytest.approx(2.2))]  # type: ignore[arg-type]
    texts = Table({"ra": ["10:00:24.0"], "dec": ["-02:12:00"]})
    assert positions(texts) == [Position(pytest.approx(150.1), pytest.approx(-2.2))]  # type: ignore[arg-type]


def test_a_row_without_a_sensible_position_has_none() -> None:
    table = Table({"ra": [1.0, np.nan, 3.0, -999.0], "dec": [91.0, 0.0, 0.0, 0.0]})
    assert positions(table) == [None, None, Position(3.0, 0.0), None]


def test_right_ascensions_are_given_from_0_to_360_degrees() -> None:
    table = Table({"ra": [-10.0, 360.0, -1e-20], "dec": [0.0, 0.0, 0.0]})
    assert positions(table) == [Position(350.0, 0.0), Position(0.0, 0.0), Position(0.0, 0.0)]


def test_a_missing_column_is_named_with_the_existing_ones(table: Table) -> None:
    table.rename_column("ra", "alpha")
    with pytest.raises(InputError, match=r"no column of right ascension: name it with --ra, it has id, alpha, dec"):
        positions(table)
    assert len(positions(table, ra="alpha")) == 2
    with pytest.raises(InputError, match="no column 'beta': it has id, alpha"):
        positions(table, ra="beta")
    with pytest.raises(InputError, match="no column 'beta': it has id, alpha"):
        rows(table, columns=["beta"])


def test_a_column_never_takes_the_place_of_what_the_import_writes(table: Table) -> None:
    names = ["image", "content_id", "filename", "extension", "ra", "dec", "pixel_scale_arcsec", "wcs", "sky_problem"]
    names += ["bands", "unit", "science"]
    for name in names:
        table[name] = ["x.png", "y.png"]
    (first, _) = rows(table, columns=[*names, "z"])
    assert first.columns == {f"catalogue_{name}": "x.png" for name in names} | {"z": 0.5}


def test_no_column_takes_the_place_of_another(table: Table) -> None:
    table["image"], table["catalogue_image"] = ["x.png", "y.png"], ["mine", "mine"]
    (first, _) = rows(table, columns=["image", "catalogue_image"])
    assert first.columns == {"catalogue_catalogue_image": "x.png", "catalogue_image": "mine"}


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_seconds() -> None:
    count = 100_000
    table = Table({"ra": np.linspace(0, 359, count), "dec": np.zeros(count), "z": MaskedColumn(np.ones(count), mask=False)})
    start = time.process_time()
    assert len(positions(table)) == sum(1 for _ in rows(table)) == count
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("c.txt", "\x01\x02,\x03", "it is not text, and not in a known format"),
        ("c.xlsx", "PK\x03\x04", "an Excel workbook: unpack it, or save the sheet as CSV"),
        ("c.pkl", "cposix\nsystem\n\x04", "it is not text"),
        ("c.html", "<!DOCTYPE html><table></table>", "it is a web page, save the table as CSV"),
        ("c.csv", "ra,dec\n", "has no row"),
        ("c.fits", "no table", "cannot be read as a catalogue"),
        ("c.vot", "<no", "cannot be read as a catalogue"),
        ("c.parquet", "no table", "cannot be read as a catalogue"),
    ],
)
def test_a_file_that_is_not_a_catalogue_is_rejected(tmp_path: Path, name: str, content: str, reason: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=reason) as error:
        open_catalogue(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        open_catalogue(tmp_path / "nowhere.csv")
