"""Text tables with bars, as astropy, Markdown and psql write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.table import Table

from sync.importing.inputs.catalogue import Position, open_catalogue, positions
from sync.importing.inputs.item import InputError

NAMES = "| ra   | dec | name |\n"


@pytest.mark.parametrize(
    "text",
    [
        NAMES + "| 10.5 | -1  | a b  |\n| 2.25 | 12  | c |\n",
        "|ra|dec|name|\n|10.5| -1|a b|\n|2.25|12|c|\n",
        NAMES + "|-----:|:---:|------|\n| 10.5 | -1  | a b  |\n| 2.25 | 12  | c    |\n",
        NAMES + "|------+-----+------|\n| 10.5 | -1 | a b |\n   | 2.25 | 12 | c |\n",
        " ra   | dec | name \n------+-----+------\n 10.5 |  -1 | a b\n 2.25 |  12 | c\n",
    ],
    ids=["aligned", "not aligned", "Markdown", "Org", "psql"],
)
def test_tables_with_bars_are_read_by_their_bars(tmp_path: Path, text: str) -> None:
    file = tmp_path / "table.txt"
    file.write_text(text)
    table = open_catalogue(file)
    assert positions(table) == [Position(10.5, -1), Position(2.25, 12)]
    assert list(table["name"]) == ["a b", "c"]


def test_a_missing_value_between_bars_is_masked(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    Table({"ra": [1.0, 2.0], "z": [0.5, 0.25]}).write(file, format="ascii.fixed_width")
    file.write_text(file.read_text().replace("0.25", "    "))
    assert open_catalogue(file)["z"].mask.tolist() == [False, True]


def test_a_sextractor_header_that_claims_many_columns_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "table.cat"
    file.write_text(
        "# 1 NUMBER  Number\n# 2 ALPHA_J2000  Right ascension [deg]\n# 3000000000 DELTA_J2000 Declination\n1 10.5 2\n"
    )
    with pytest.raises(InputError, match="claims 5 rows of 3000000000 columns"):
        open_catalogue(file)
