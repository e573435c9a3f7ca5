"""The test tables of astropy: each is read, or refused in one sentence; no other exception is raised."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import astropy
import pytest
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from sync.importing.inputs.catalogue import bad_rows, has_positions, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError

ROOT = Path(astropy.__file__).parent
SUFFIXES = (
    *(".xml", ".vot", ".ecsv", ".fits", ".dat", ".csv", ".parquet", ".txt"),
    *(".gz", ".bz2", ".xz", ".Z", ".tex", ".rdb", ".tab", ".dbout", ".data", ".hdr", ".html", ".hdf5"),
)
FOLDERS = ("io", "wcs", "table", "nddata", "coordinates")
FILES = [
    file
    for folder in FOLDERS
    for file in sorted((ROOT / folder).rglob("tests/**/*"))
    if file.suffix in SUFFIXES and file.is_file()
]
FORMATS = {
    "io/ascii/tests/data/cds.dat": "ascii.cds",
    "io/ascii/tests/data/cds2.dat": "ascii.cds",
    "io/ascii/tests/data/daophot3.dat": "ascii.daophot",
    "io/ascii/tests/data/ipac.dat": "ascii.ipac",
    "io/ascii/tests/data/latex1.tex": "ascii.latex",
    "io/ascii/tests/data/latex2.tex": "ascii.aastex",
    "io/ascii/tests/data/sextractor3.dat": "ascii.sextractor",
    "io/ascii/tests/data/short.rdb": "ascii.rdb",
    "io/ascii/tests/data/fixed_width_2_line.txt": "ascii.fixed_width_two_line",
    "io/ascii/tests/data/subtypes.ecsv": "ascii.ecsv",
    "io/ascii/tests/data/simple_csv.csv": "ascii.csv",
    "io/fits/tests/data/tb.fits": "fits",
    "io/fits/tests/data/btable.fits": "fits",
    "io/fits/tests/data/chandra_time.fits": "fits",
    "io/fits/tests/data/variable_length_table.fits": "fits",
    "io/votable/tests/data/parquet_binary.xml.parquet": "parquet",
    "coordinates/tests/accuracy/data/rv.ecsv": "ascii.ecsv",
}


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="this astropy was installed without its tests")
def test_each_is_read_or_rejected_in_one_sentence() -> None:
    problems = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for file in FILES:
            try:
                table = open_catalogue(file)
                json.dumps([row.columns for row in rows(table)], allow_nan=False)
                assert not has_positions(table) or len(positions(table)) == len(table)
            except InputError as error:
                problems.append(str(error))
    assert [sentence for sentence in problems if "\n" in sentence or len(sentence) > 2000] == []


@pytest.mark.parametrize(("name", "kind"), FORMATS.items(), ids=str)
def test_values_equal_those_of_astropy(name: str, kind: str) -> None:
    if not (ROOT / name).is_file():
        pytest.skip("this astropy was installed without its tests")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        read, expected = open_catalogue(ROOT / name), Table.read(ROOT / name, format=kind)
    assert read.colnames == expected.colnames
    for column in expected.colnames:
        assert [str(value) for value in read[column]] == [str(value) for value in expected[column]]


@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("io/fits/tests/data/ascii.fits", "a", ["10.123", "5.2", "15.61", "--", "345.0"]),
        ("io/fits/tests/data/ascii.fits", "b", ["37", "23", "17", "--", "345"]),
        ("io/ascii/tests/data/bars_at_ends.txt", "rad", ["9.0", "14.0", "12.5"]),
    ],
)
def test_tables_that_astropy_refuses_or_guesses_are_read(name: str, column: str, expected: list[str]) -> None:
    if not (ROOT / name).is_file():
        pytest.skip("this astropy was installed without its tests")
    assert [str(value) for value in open_catalogue(ROOT / name)[column]] == expected


def test_a_row_with_too_many_cells_is_named() -> None:
    file = ROOT / "io/votable/tests/data/too_many_columns.xml.gz"
    if not file.is_file():
        pytest.skip("this astropy was installed without its tests")
    table = open_catalogue(file)
    assert (len(table), bad_rows(table)) == (1, {1: "line 137 has 45 cells for 41 columns"})
