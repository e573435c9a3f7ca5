"""Every format stores the original file name, the content id and the columns of the tasks' data, with their types."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from sync.export.data_columns import DataColumns, name_columns
from sync.geometry.shapes import Box

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]

FIRST = {
    "filename": "ngc 1 (final).jpg",
    "content_id": "c0ffee",
    "ra": 150.25,
    "dec": 2.5,
    "objid": "1237648720693755918",
    "specobj": 2**60,
    "petro_r": 17.25,
    "n": 3,
    "seen": True,
    "survey": "SDSS",
    "class": "GALAXY",
    "RA": 150.3,
    "Größe": 1.5,
    "flags": ["A", "B"],
    "formula": "=1+1",
    "offset": "-1.5",
}
SECOND = {"filename": "ngc2.jpg", "content_id": "bead", "n": 4, "petro_r": 18, "survey": None, "ra": "", "formula": "plain"}


@pytest.fixture
def tasks(task: Say, annotation: Say, region: Say) -> list[dict[str, Any]]:
    box = region("boxes", Box(5, 5, 10, 10), label="Galaxy", size=SIZE)
    return [task(annotation(box), **FIRST), task(annotation({**box, "id": "other"}), **SECOND)]


@pytest.mark.parametrize(
    ("format", "file"), [("ecsv", "objects.ecsv"), ("votable", "objects.vot"), ("fits-table", "objects.fits")]
)
def test_tables_have_typed_columns_and_masked_gaps(
    run_export: Exported, tasks: list[dict[str, Any]], format: str, file: str
) -> None:
    folder, _ = run_export(tasks, format)
    table = Table.read(folder / file)
    assert list(table["original_file_name"]) == ["ngc 1 (final).jpg", "ngc2.jpg"]
    assert list(table["content_id"]) == ["c0ffee", "bead"]
    assert table["objid"][0] == "1237648720693755918"
    assert table["specobj"][0] == str(2**60)
    assert list(table["petro_r"]) == [17.25, 18.0]
    assert list(table["n"]) == [3, 4]
    assert table["n"].dtype.kind == "i"
    assert table["petro_r"].dtype.kind == "f"
    assert table["seen"][0]
    assert np.ma.is_masked(table["seen"][1])
    assert table["catalogue_class"][0] == "GALAXY"
    assert table["class"][0] == "Galaxy"
    assert np.ma.is_masked(table["catalogue_ra"][1]) or math.isnan(table["catalogue_ra"][1])
    assert json.loads(table["flags"][0]) == ["A", "B"]
    assert table["offset"][0] == "-1.5"
    assert {"catalogue_RA", "catalogue_ra"} & set(table.colnames)
    assert "image_1" not in table.colnames


def test_coco_images_are_joined_by_file_name_and_columns(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    folder, _ = run_export(tasks, "coco")
    first, second = json.loads((folder / "annotations" / "train.json").read_text())["images"]
    assert (first["original_file_name"], first["content_id"]) == ("ngc 1 (final).jpg", "c0ffee")
    assert first["data"] == {
        key: str(value) if key == "specobj" else value for key, value in FIRST.items() if key not in ("filename", "content_id")
    }
    assert second["data"] == {"n": 4, "petro_r": 18, "formula": "plain"}


def test_parquet_has_columns_with_types(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    folder, _ = run_export(tasks, "parquet")
    (file,) = (folder / "data").iterdir()
    table = pq.read_table(file)
    first, second = table.to_pylist()
    assert (first["original_file_name"], first["content_id"], first["ra"]) == ("ngc 1 (final).jpg", "c0ffee", 150.25)
    assert (first["n"], first["petro_r"], first["seen"], first["class"]) == (3, 17.25, True, "GALAXY")
    assert str(table.schema.field("n").type) == "int64"
    assert second["survey"] is None
    assert json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]["seen"] == {"dtype": "bool", "_type": "Value"}


def test_fits_masks_have_the_file_name_and_the_columns(run_export: Exported, tasks: list[dict[str, Any]]) -> None:
    folder, _ = run_export(tasks, "fits")
    file, _ = sorted(folder.glob("train/*.fits.gz"))
    with fits.open(file) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["FILENAME"] == "ngc 1 (final).jpg"
        assert hdus[0].header["CONTENT"] == "c0ffee"
    row = Table.read(file, hdu="TASK")[0]
    assert (row["n"], row["petro_r"], row["survey"], row["class"]) == (3, 17.25, "SDSS", "GALAXY")


@pytest.mark.parametrize("format", ["coco", "yolo", "fits", "ecsv", "parquet", "json"])
def test_every_format_has_a_list_of_images(run_export: Exported, tasks: list[dict[str, Any]], format: str) -> None:
    folder, _ = run_export(tasks, format)
    with (folder / "tasks.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["task"], first["split"], first["original_file_name"]) == ("1", "train", "ngc 1 (final).jpg")
    assert (first["objid"], first["class"], first["formula"], first["offset"]) == (FIRST["objid"], "GALAXY", "'=1+1", "-1.5")
    assert second["survey"] == ""
    if format in ("coco", "yolo", "fits"):
        assert {path.name for path in folder.rglob("*") if path.is_file()} >= {first["file_name"], second["file_name"]}


def test_an_uploaded_file_has_its_original_name(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(5, 5, 10, 10), label="Galaxy", size=SIZE)
    upload, link = "/data/upload/1/0123abcd-m%20101.png", "https://example.org/images/0123abcd-m31.png?size=2"
    folder, _ = run_export([task(annotation(box), image=upload), task(annotation(box), image=link)], "coco")
    images = json.loads((folder / "annotations" / "train.json").read_text())["images"]
    assert [entry["original_file_name"] for entry in images] == ["m 101.png", "0123abcd-m31.png"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], int),
        ([1, 2.5], float),
        ([1, None], int),
        ([1, ""], int),
        ([1, "x"], str),
        ([True, False], bool),
        ([True, 1], str),
        ([2**53 + 1, 1], str),
        ([2**53, 1], int),
        ([[1], 1], str),
        ([None, None, 1.5], float),
    ],
)
def test_a_column_has_the_type_that_holds_every_value(values: list[Any], dtype: type) -> None:
    columns = DataColumns()
    for value in values:
        columns.add({"x": value})
    (column,) = columns.columns()
    assert column.dtype is dtype


def test_names_are_those_of_the_catalogue_and_reserved_ones_get_a_prefix() -> None:
    columns = DataColumns(image_keys=("image", "bands[0].url"))
    columns.add({"image": "x", "bands": [{}], "Class": 1, "class": 2, "ra": 1, "catalogue_ra": 2, "": 3, "n": 4})
    names = {
        name: column.key for name, column in name_columns(columns.columns(), reserved_names=["class", "ra", "task"]).items()
    }
    assert names == {
        "catalogue_Class": "Class",
        "catalogue_2_class": "class",
        "catalogue_ra": "catalogue_ra",
        "catalogue_": "",
        "n": "n",
    }


@pytest.mark.slow
def test_at_most_500_columns_are_exported(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(5, 5, 10, 10), label="Galaxy", size=SIZE)
    folder, summary = run_export([task(annotation(box), **{f"c{number}": number for number in range(1200)})], "fits-table")
    assert summary.problems == 1
    assert len(Table.read(folder / "objects.fits").colnames) < 999


@pytest.mark.parametrize(
    ("format", "file"), [("ecsv", "objects.ecsv"), ("votable", "objects.vot"), ("fits-table", "objects.fits")]
)
def test_columns_of_any_name_are_exported(
    run_export: Exported, task: Say, annotation: Say, region: Say, format: str, file: str
) -> None:
    names = [
        "x" * 90,
        "x" * 91,
        "x" * 300,
        "m31",
        "M31",
        "'" * 60,
        "two\nlines",
        'a,"b"',
        "half \ud83c",
        "é",
        " blank ",
        "=k",
        "",
        "TASK",
    ]
    box = region("boxes", Box(5, 5, 10, 10), label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(box), **{name: number for number, name in enumerate(names)})], format)
    table = Table.read(folder / file)
    assert [int(table[name][0]) for name in table.colnames[-len(names) :]] == list(range(len(names)))
