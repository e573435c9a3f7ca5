"""A table joined to images: names with and without folder and suffix, ids in all spellings, and rows without an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from sync.errors.images import ImageError
from sync.importing.inputs.catalogue import open_catalogue
from sync.importing.inputs.item import InputError, Item
from sync.importing.inputs.table_join import join_table

FILE = Path("ids.csv")


def image_items(*names: str) -> list[Item]:
    return [Item(name, name.encode, filename=Path(name).name) for name in names]


def reasons(items: list[Item]) -> dict[str, str]:
    """Return the reasons that an import of the items would list."""
    tables = {}
    for item in items:
        try:
            item.read()
        except ImageError as error:
            tables[item.name] = str(error)
    return tables


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.jpg", "images/a.jpg"),
        ("a", "images/a.jpg"),
        ("A.JPG", "images/a.jpg"),
        ("a.jpg", "images/a.png"),
        ("a.fits", "a.fits.gz"),
        ("a", "a.fits.fz"),
        ("images/a.jpg", "/data/images/a.jpg"),
        ("images/a", "/data/images/a.jpg"),
        ("./images/a.jpg", "images/a.jpg"),
        ("images\\a.jpg", "images/a.jpg"),
        (" a.jpg ", "images/a.jpg"),
        ("NGC 1.5", "NGC 1.5.png"),
        ("J1000+02.5", "J1000+02.5.fits"),
        ("587722981741363294", "587722981741363294.jpg"),
        ("587722981741363294.0", "587722981741363294.jpg"),
        ("123", "000123.jpg"),
        ("000123", "123.jpg"),
        ("000123", "000123.jpg"),
        ("-5", "-5.png"),
        ("9" * 5000, "9" * 5000 + ".png"),
        ("/home/anna/images/a.jpg", "a.jpg"),
        ("/home/anna/images/a", "data/a.jpg"),
        ("C:\\Users\\Anna\\a.JPG", "images/a.jpg"),
        ("https://host/x/a%20b.jpg?size=3", "images/a b.jpg"),
        ("s3://bucket/x/a.jpg", "images/a.jpg"),
        ("1,0", "0001.jpg"),
        ("1,000", "1000.jpg"),
        ("1,234,567", "1234567.jpg"),
        ("1.234", "1234.jpg"),
        ("1'234", "1234.jpg"),
        ("1\u202f234", "1234.jpg"),
        ("'000123", "000123.jpg"),
        ('="000123"', "000123.jpg"),
        ("Galaxie_e\u0301", "Galaxie_\u00e9.jpg"),
    ],
)
def test_a_key_is_matched_with_or_without_folder_suffix_and_zeros(key: str, name: str) -> None:
    (item,) = join_table(image_items(name), Table({"id": [key], "z": [0.5]}), key="id", file=FILE)
    assert (item.data, item.name, item.read()) == ({"id": key, "z": 0.5}, name, name.encode())


@pytest.mark.parametrize("suffix", ["csv", "fits", "vot", "ecsv", "parquet"])
def test_large_ids_match_from_every_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"ids.{suffix}"
    table = Table({"objid": np.array([587722981741363294, 7]), "class": ["Spiral", "Smooth"]})
    table.write(file, format="votable" if suffix == "vot" else None)
    read = open_catalogue(file, as_text=["objid"])
    items = join_table(image_items("587722981741363294.jpg", "7.jpg"), read, key="objid", file=file)
    assert [(str(item.data["objid"]), item.data["class"]) for item in items] == [
        ("587722981741363294", "Spiral"),
        ("7", "Smooth"),
    ]


def test_folders_distinguish_images_of_the_same_name() -> None:
    table = Table({"path": ["g/1.png", "r/1.png"], "band": ["g", "r"]})
    first, second = join_table(image_items("data/g/1.png", "data/r/1.png"), table, key="path", file=FILE)
    assert (first.data["band"], second.data["band"]) == ("g", "r")


def test_the_longest_common_path_decides_between_folders_with_other_parents() -> None:
    table = Table({"path": ["/home/g/1.png", "/home/r/1.png", "/home/r/2.png"], "band": ["g", "r", "2"]})
    items = join_table(
        image_items("data/g/1.png", "data/r/1.png", "data/i/1.png", "data/i/2.png"), table, key="path", file=FILE
    )
    assert [item.data.get("band") for item in items] == ["g", "r", None, "2"]
    assert reasons(items) == {"data/i/1.png": "no row of ids.csv matches this image"}


def test_a_name_in_two_folders_does_not_match_a_third_folder() -> None:
    items = join_table(
        image_items("g/1.png", "r/1.png", "r/2.png"), Table({"path": ["i/1.png", "i/2.png"]}), key="path", file=FILE
    )
    assert [item.name for item in items if item.data] == ["r/2.png"]


@pytest.mark.parametrize("key", ["5.87722981741363e+17", "1,23E+3"])
def test_an_id_that_a_spreadsheet_rounded_is_named(key: str) -> None:
    with pytest.raises(InputError, match=r"\(a rounded number: write the column as text\), the first image is"):
        join_table(image_items("587722981741363294.jpg"), Table({"id": [key]}), key="id", file=FILE)


def test_a_row_may_belong_to_several_images() -> None:
    items = join_table(image_items("g/1.png", "r/1.png"), Table({"id": [1], "z": [0.5]}), key="id", file=FILE)
    assert [item.data["z"] for item in items] == [0.5, 0.5]


def test_the_exact_name_comes_before_the_number() -> None:
    table = Table({"id": ["001", "1"], "z": [0.1, 0.2]})
    items = join_table(image_items("1.png", "001.png", "01.png"), table, key="id", file=FILE)
    assert [item.data.get("z") for item in items] == [0.2, 0.1, None]
    assert reasons(items) == {"01.png": "the rows 1, 2 of ids.csv match this image and differ: keep one"}


def test_images_without_row_and_rows_without_image_are_listed() -> None:
    table = Table({"id": ["a", "b", "", "5.8772298e+17"], "z": [1, 2, 3, 4]})
    items = join_table(image_items("a.png", "c.png"), table, key="id", file=FILE)
    assert reasons(items) == {
        "c.png": "no row of ids.csv matches this image",
        "row 2 of ids.csv (b)": "no image has this name",
        "row 3 of ids.csv": "the row has no key",
        "row 4 of ids.csv (5.8772298e+17)": "no image has this name: the key is a rounded number, write the column as text",
    }


def test_a_thousand_rows_without_image_are_listed_and_others_counted() -> None:
    items = join_table(image_items("7.png"), Table({"id": np.arange(5000)}), key="id", file=FILE)
    assert (len(items), items[-1].name) == (1002, "3999 more rows of ids.csv")
    assert reasons(items)["row 1 of ids.csv (0)"] == "no image has this name"


def test_a_repeated_key_is_named_unless_its_rows_are_equal() -> None:
    table = Table({"id": ["a", "a", "b", "b"], "z": [1, 1, 2, 3]})
    first, second = join_table(image_items("a.png", "b.png"), table, key="id", file=FILE)
    assert first.data["z"] == 1
    assert reasons([second]) == {"b.png": "the rows 3, 4 of ids.csv match this image and differ: keep one"}


def test_a_row_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_text("id,z\na,1\nb,2,3,4\n")
    items = join_table(image_items("a.png"), open_catalogue(file), key="id", file=FILE)
    assert reasons(items) == {"row 2 of ids.csv": "line 3 has 4 values for 2 columns"}


def test_the_position_of_a_row_is_that_of_the_task() -> None:
    table = Table({"filename": ["a.png", "b.png"], "RA": ["10:00:00", ""], "Dec": [2.0, 3.0], "class": ["Spiral", "Smooth"]})
    first, second = join_table(image_items("a.png", "b.png"), table, key="filename", file=FILE)
    assert first.data == {
        "catalogue_filename": "a.png", "RA": "10:00:00", "Dec": 2.0, "class": "Spiral", "ra": pytest.approx(150), "dec": 2.0
    }  # fmt: skip
    assert "ra" not in second.data
    (items, _) = join_table(image_items("a.png", "b.png"), table, key="filename", file=FILE, columns=["class"])
    assert items.data == {"class": "Spiral", "ra": pytest.approx(150), "dec": 2.0}


def test_a_table_of_other_images_is_rejected() -> None:
    with pytest.raises(InputError, match=r"no row of ids\.csv matches an image: the column 'id' holds 'x', the first"):
        join_table(image_items("a.png"), Table({"id": ["x"]}), key="id", file=FILE)
    with pytest.raises(InputError, match=r"ids\.csv has no column 'filename': .* it has id"):
        join_table(image_items("a.png"), Table({"id": ["x"]}), key="filename", file=FILE)
