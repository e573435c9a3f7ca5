"""CSV files as Excel, SkyServer, TOPCAT and pandas write them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.importing.inputs.catalogue import Position, bad_rows, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError

DATA = Path(__file__).parent / "data"


def read(folder: Path, content: str | bytes) -> tuple[dict[str, Any], Position | None]:
    """Return the columns and the position of the first row."""
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
def test_tables_of_all_programs_are_read(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == ({"name": "M51"}, Position(150.1, 2.2))


@pytest.mark.parametrize(
    "content",
    [
        "sep=;\r\nname;ra;dec\r\nM51;150,1;2,2\r\n",
        '"sep=,"\nname,ra,dec\nM51,150.1,2.2\n',
        "sep=\t\nname\tra\tdec\nM51\t150.1\t2.2\n",
        "name\tra\tdec\r\nM51\t150,1\t2,2\r\n".encode("utf-16"),
        b"\xfe\xff" + "name,ra,dec\nM51,150.1,2.2\n".encode("utf-16-be"),
        "name,ra,dec\nM51,150.1,2.2\n".encode("utf-16-le"),
        "name,ra,dec\nM51,150.1,2.2\n".encode("utf-32"),
        "name,ra,dec\rM51,150.1,2.2\r",
        "name,ra,dec,,\nM51,150.1,2.2,,\n",
        "\n\nname,ra,dec\n\n,,\nM51,150.1,2.2\n\n",
        'name,ra,dec\n"M51","150,1","2,2"\n',
        "name | ra | dec\nM51 | 150.1 | 2.2\n",
        "name   ra     dec\nM51    150.1  2.2\n",
        "  name   ra     dec  \n  M51    150.1  2.2  \n",
        "name\tra  dec\nM51\t150.1  2.2\n".replace("\t", " "),
        "# id of a galaxy\n# name ra dec\nM51 150.1 2.2\n",
        "# name ra dec\n# three words here\nM51 150.1 2.2\n",
        "#   1 name   Name\n#   2 ra  [deg]\n#   3 dec [deg]\n M51 150.1 2.2\n",
        "name\tra\tdec\n5S\tN\tN\nM51\t150.1\t2.2\n",
        "name  ra     dec\n----  -----  ---\nM51   150.1  2.2\n",
        "|name|ra    |dec   |\n|char|double|double|\n  M51  150.1  2.2   \n",
        "| name | ra    | dec |\n| M51  | 150.1 | 2.2 |\n",
        "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: name, datatype: string}\n"
        "# - {name: ra, datatype: float64}\n# - {name: dec, datatype: float64}\nname,ra,dec\nM51,150.1,2.2\n",
    ],
    ids=repr,
)
def test_a_text_of_each_kind_is_read(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == ({"name": "M51"}, Position(150.1, 2.2))


def test_texts_in_quotes_may_have_spaces_where_spaces_separate(tmp_path: Path) -> None:
    columns, position = read(tmp_path, '#name ra dec\n"M 51" 150.1 2.2\n')
    assert (columns, position) == ({"name": "M 51"}, Position(150.1, 2.2))


VIZIER = """#
#   VizieR Astronomical Server
#Name: J/ApJ/1/table{number}
#Column\tRAJ2000\t(F10.6)\tRight ascension
RAJ2000\tDEJ2000\tName
"h:m:s"\tdeg\t
----------\t----------\t---
10 00 24.0\t2.2\tM51
10 00 24.0\t3.2\t
"""


def test_the_tables_of_vizier_have_units_and_dashes_below_the_names(tmp_path: Path) -> None:
    columns, position = read(tmp_path, VIZIER.format(number=1))
    assert (columns["Name"], position) == ("M51", Position(pytest.approx(150.1), 2.2))  # type: ignore[arg-type]
    assert len(open_catalogue(tmp_path / "table.csv")) == 2


def test_one_of_several_tables_of_vizier_is_chosen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 J/ApJ/1/table1 \(2 rows\), 2 J/ApJ/1/table2 \(2 rows\)"):
        read(tmp_path, VIZIER.format(number=1) + "\n" + VIZIER.format(number=2) + "\n")
    assert len(open_catalogue(tmp_path / "table.csv", table="J/ApJ/1/table2")) == 2


def test_positions_may_have_decimal_commas_while_others_have_points(tmp_path: Path) -> None:
    table = open_catalogue(DATA / "semicolon_comma_mixed.csv")
    assert positions(table) == [Position(10.5, -0.2), Position(187.70593, 12.39112)]
    assert [row.columns["z"] for row in rows(table)] == [0.05, 0.004]
    columns, position = read(tmp_path, "ra;dec;z\n10.5;-0,2;1,5\n187,7;12.3;2\n")
    assert (columns, position) == ({"z": 1.5}, Position(10.5, -0.2))


def test_numbers_with_thousands_separators_remain_texts(tmp_path: Path) -> None:
    columns, position = read(tmp_path, "ra;dec;flux\n1.150,5;2,2;1.234,5\n")
    assert (columns["flux"], position) == ("1.234,5", None)


def test_a_bad_row_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text('name,ra,dec\nA,1,2\nB,1,2,3,4\n"C"x,1,2\nD,5\nE,3,4\n')
    table = open_catalogue(tmp_path / "table.csv")
    assert bad_rows(table) == {2: "line 3 has 5 values for 3 columns", 3: "line 4 cannot be read (',' expected after '\"')"}
    assert positions(table) == [Position(1, 2), None, None, None, Position(3, 4)]


def test_rows_after_an_unclosed_quote_are_counted(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text('name,ra,dec\nA,1,2\n"B,1,2\nC,3,4\nD,5,6\n')
    assert "lines 3 to 6 cannot be read" in bad_rows(open_catalogue(tmp_path / "table.csv"))[2]


def test_a_bad_row_of_ecsv_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    header = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: name, datatype: string}\n# - {name: ra, datatype: float64}\n"
    header += "# - {name: dec, unit: deg, datatype: float64}\nname ra dec\n"
    (tmp_path / "table.ecsv").write_text(f'{header}"M 51" 1.0 2.0\nA 1 2 3\nB 3.0 x\nC "" 2.0\nD 5.0 6.0\n')
    table = open_catalogue(tmp_path / "table.ecsv")
    assert bad_rows(table) == {2: "line 9 has 4 values for 3 columns", 3: "line 10 has 'x' in a column of numbers"}
    assert positions(table) == [Position(1, 2), None, None, None, Position(5, 6)]
    assert next(rows(table)).columns["name"] == "M 51"


def test_a_table_without_names_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no line with the names of its columns: it begins with 1, 150.1, 2.2"):
        read(tmp_path, "1,150.1,2.2\n2,150.2,2.3\n")


def test_a_column_of_keys_remains_text(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("objid,ra\n587722981741363294.0,1\n5,2\n")
    assert list(open_catalogue(tmp_path / "table.csv", as_text=["objid"])["objid"]) == ["587722981741363294.0", "5"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_table_is_decompressed_and_a_bomb_is_rejected(
    tmp_path: Path, pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table.csv.gz").write_bytes(pack(b"ra,dec\n1,2\n"))
    assert positions(open_catalogue(tmp_path / "table.csv.gz")) == [Position(1, 2)]
    monkeypatch.setattr("sync.importing.inputs.table_bounds.SMALL_BYTES", 2**20)
    (tmp_path / "table.csv.gz").write_bytes(pack(b"0" * 2**24))
    with pytest.raises(InputError, match="unpacks to more than"):
        open_catalogue(tmp_path / "table.csv.gz")


def test_a_text_is_never_used_as_an_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        (tmp_path / "table.ecsv").write_text(f"http://127.0.0.1:{listener.getsockname()[1]}/table.csv")
        with pytest.raises(InputError):
            open_catalogue(tmp_path / "table.ecsv")
        with pytest.raises(InputError):
            open_catalogue(Path(f"http://127.0.0.1:{listener.getsockname()[1]}/table.csv"))
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    "meta", ["!!python/object/apply:os.mkdir [made]", "!!python/name:os.system", "!!python/module:this", "!unknown {a: 1}"]
)
def test_ecsv_makes_no_objects(tmp_path: Path, meta: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    header = f"# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: ra, datatype: float64}}\n# meta: {meta}\n"
    with pytest.raises(InputError, match="cannot be read as a catalogue"):
        read(tmp_path, f"{header}ra\n1.0\n")
    assert not (tmp_path / "made").exists()


def test_a_number_that_is_missing_leaves_the_others_numbers(tmp_path: Path) -> None:
    content = "ra,dec,z,n\n150.1,2.2,0.5,1\nN/A,null,NA,\n"
    assert read(tmp_path, content) == ({"z": 0.5, "n": 1}, Position(150.1, 2.2))
    (_, second) = rows(open_catalogue(tmp_path / "table.csv"))
    assert set(second.columns.values()) == {None}


def test_a_word_for_missing_is_kept_in_a_column_of_texts(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, "ra,dec,ring,empty\n1,2,None,\n1,2,inner,\n")
    assert columns == {"ring": "None", "empty": None}


@pytest.mark.parametrize("name", ["000123", "12_3", "123456789012345678901234567890"])
def test_an_id_keeps_its_spelling(tmp_path: Path, name: str) -> None:
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


def test_empty_or_repeated_names_become_unique(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, ",ra,dec,z,z\n7,1,2,3,4\n")
    assert columns == {"col0": 7, "z": 3, "z_1": 4}


def test_a_single_column_of_addresses_may_contain_commas(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("url\nhttps://host/1,2.png\n")
    assert open_catalogue(tmp_path / "list.csv")["url"][0] == "https://host/1,2.png"


def test_the_name_of_one_column_may_have_a_space(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image url\nhttps://host/1,2.png\n")
    assert open_catalogue(tmp_path / "list.csv")["image url"][0] == "https://host/1,2.png"


def test_cp1252_of_older_excel_is_read(tmp_path: Path) -> None:
    columns, _ = read(tmp_path, "name,ra,dec\nCafé,1,2\n".encode("cp1252"))
    assert columns == {"name": "Café"}


def test_ecsv_under_the_name_of_csv_keeps_its_units(tmp_path: Path) -> None:
    header = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: ra, unit: hourangle, datatype: float64}\n"
    _, position = read(tmp_path, header + "# - {name: dec, datatype: float64}\nra dec\n10.0 2.0\n")
    assert position == Position(pytest.approx(150), 2.0)  # type: ignore[arg-type]
