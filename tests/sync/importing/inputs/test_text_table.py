"""Text tables with bars, as astropy, Markdown and psql write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.table import Table

from sync.importing.inputs.catalogue import Position, bad_rows, open_catalogue, positions
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


@pytest.mark.parametrize(
    "content",
    [
        "'name of it' ra  dec \n   # fun1 fun2 fun3\n  'M 51'  150.1 2.2\n",
        "name ra dec\n'M 51' 150.1 2.2\n",
        "# with lines to skip\n------------\nname ra dec\n------------\nM51 150.1 2.2\n------------\n",
        "===\n\nname ra dec\n===\nM51 150.1\t2.2\n",
    ],
)
def test_columns_of_words_have_single_quotes_and_drawn_lines(tmp_path: Path, content: str) -> None:
    file = tmp_path / "table.dat"
    file.write_text(content)
    table = open_catalogue(file)
    assert (len(table), len(table.colnames), table.colnames[1:]) == (1, 3, ["ra", "dec"])
    assert (table[0]["ra"], table[0]["dec"]) == (150.1, 2.2)
    assert "'" not in table[0][0]


def test_apostrophes_are_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    file.write_text("name ra dec\nBarnard's 150.1 2.2\nStephan's 339.0 33.9\n")
    assert list(open_catalogue(file)["name"]) == ["Barnard's", "Stephan's"]


def test_a_table_of_words_without_names_is_no_table_of_one_column(tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    file.write_text("1 3 5 \\\n4 6 8 next \\\n")
    with pytest.raises(InputError, match="no line with the names of its columns"):
        open_catalogue(file)


@pytest.mark.parametrize("content", ["", "\n", "# only a comment\n", "------\n"])
def test_a_text_without_a_header_has_no_row(tmp_path: Path, content: str) -> None:
    file = tmp_path / "table.dat"
    file.write_text(content)
    with pytest.raises(InputError, match=r"has no row|is empty"):
        open_catalogue(file)


def test_tabs_in_quotes_belong_to_a_value_where_tabs_and_spaces_separate(tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    file.write_text(' "name\tof it"  ra  \t\t dec\nM51   "150.1"  \t2\n "M\t82"   150.2                    3\n')
    table = open_catalogue(file)
    assert (table.colnames, list(table["name\tof it"])) == (["name\tof it", "ra", "dec"], ["M51", "M\t82"])
    assert positions(table) == [Position(150.1, 2), Position(150.2, 3)]


def test_empty_values_between_tabs_remain_missing(tmp_path: Path) -> None:
    file = tmp_path / "table.tsv"
    file.write_text("name\tra\t\tdec\nM51\t150.1\t7\t2\nM82\t150.2\t\t3\n")
    assert positions(open_catalogue(file)) == [Position(150.1, 2), Position(150.2, 3)]


def test_a_row_without_a_value_is_bad_where_spaces_separate(tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    file.write_text("name z ra dec\nM51 0.1 150.1 2\nM82 150.2 3\nM83 0.2 4 5\n")
    table = open_catalogue(file)
    assert bad_rows(table) == {2: "line 3 has 3 values for 4 columns"}
    assert positions(table) == [Position(150.1, 2), None, Position(4, 5)]


@pytest.mark.parametrize(
    "content",
    [
        "import os\nimport sys\nsys.path.insert(0, os.path.abspath('..'))\nproject = 'manno'\nextensions = [\n"
        "    'ext.one',\n    'ext.two', 'and', 'others',\n]\n",
        "Aql X-1 Tomsick, J., Heindl\n" + "".join(f"Aql X-{n}" + ", Heindl, W." * n + "\n" for n in range(8)),
    ],
    ids=["a program", "references"],
)
def test_a_text_is_no_table(tmp_path: Path, content: str) -> None:
    file = tmp_path / "text.dat"
    file.write_text(content)
    with pytest.raises(InputError, match="is not a table: most of its"):
        open_catalogue(file)


def test_one_column_of_numbers_without_a_name_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    file.write_text("-10335.93\n12.5\n13.5\n")
    with pytest.raises(InputError, match="no line with the names of its columns"):
        open_catalogue(file)


def test_a_comment_with_one_name_of_a_coordinate_is_not_the_header(tmp_path: Path) -> None:
    file = tmp_path / "table.dat"
    file.write_text("# ra double deg\n# dec double deg\n# comment of three\n12 150.0 2.5\n13 151.0 2.6\n")
    assert open_catalogue(file).colnames == ["comment", "of", "three"]
