"""CSV files as Excel, SkyServer, TOPCAT and pandas write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sync.sources.catalogue import Position, open_catalogue, positions, rows


def read(folder: Path, content: str | bytes) -> tuple[dict[str, Any], Position | None]:
    """The columns and the position of the first row."""
    file = folder / "table.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = open_catalogue(file)
    columns = next(rows(table)).columns
    return {name: value for name, value in columns.items() if not name.startswith("catalogue_")}, positions(table)[0]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffname,ra,dec\r\nM51,150.1,2.2\r\n",
        "#Table1\nname,ra,dec\nM51,150.1,2.2\n",
        "# made by nobody, in May, here\n\nname,ra,dec\nM51,150.1,2.2\n",
        "# name,ra,dec\nM51,150.1,2.2\n",
        "#name\tra\tdec\nM51\t150.1\t2.2\n",
        "name;ra;dec\nM51;150.1;2.2\n",
        "name;ra;dec\r\nM51;150,1;2,2\r\n",
        "name\tra\tdec\nM51\t150.1\t2.2",
        '"name";"ra";"dec"\n"M51";"150.1";"2.2"\n',
    ],
    ids=repr,
)
def test_a_table_is_read_whoever_wrote_it(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == ({"name": "M51"}, Position(150.1, 2.2))


def test_a_number_that_is_missing_leaves_the_others_numbers(tmp_path: Path) -> None:
    content = "ra,dec,z,n\n150.1,2.2,0.5,1\nN/A,null,NA,\n"
    assert read(tmp_path, content) == ({"z": 0.5, "n": 1}, Position(150.1, 2.2))
    (_, second) = rows(open_catalogue(tmp_path / "table.csv"))
    assert set(second.columns.values()) == {None}


def test_among_texts_such_a_word_is_a_text(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, "ra,dec,ring,empty\n1,2,None,\n1,2,inner,\n")
    assert columns == {"ring": "None", "empty": None}


@pytest.mark.parametrize("name", ["000123", "12_3", "123456789012345678901234567890"])
def test_an_id_travels_as_it_is_written(tmp_path: Path, name: str) -> None:
    columns, _ = read(tmp_path, f"id,ra,dec\n{name},1,2\n5,1,2\n")
    assert columns == {"id": name}


def test_padded_decimals_are_numbers(tmp_path: Path) -> None:
    columns, position = read(tmp_path, "ra,dec,z\n010.5,-05.25,00.5\n")
    assert (columns, position) == ({"z": 0.5}, Position(10.5, -5.25))


@pytest.mark.parametrize("row", ["150.1;2.2;1,2", '"150.1";"2.2";"1,2"'])
def test_commas_are_not_decimal_where_points_are(tmp_path: Path, row: str) -> None:
    columns, _ = read(tmp_path, f"ra;dec;pair\n{row}\n")
    assert columns == {"pair": "1,2"}


def test_quotes_keep_separators_and_line_ends(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, 'note,"flux; r",ra,dec\n"a; ""b"",\nc",3,1,2\n')
    assert columns == {"note": 'a; "b",\nc', "flux; r": 3}


def test_names_that_are_empty_or_come_twice_are_told_apart(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, ",ra,dec,z,z\n7,1,2,3,4\n")
    assert columns == {"col0": 7, "z": 3, "z_1": 4}


def test_addresses_alone_may_hold_commas(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("url\nhttps://host/1,2.png\n")
    assert open_catalogue(tmp_path / "list.csv")["url"][0] == "https://host/1,2.png"


def test_letters_of_an_older_excel_are_read(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, "name,ra,dec\nCafé,1,2\n".encode("cp1252"))
    assert columns == {"name": "Café"}


def test_ecsv_under_the_name_of_csv_keeps_its_units(tmp_path: Path) -> None:
    header = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: ra, unit: hourangle, datatype: float64}\n"
    _, position = read(tmp_path, header + "# - {name: dec, datatype: float64}\nra dec\n10.0 2.0\n")
    assert position == Position(pytest.approx(150), 2.0)  # type: ignore[arg-type]
