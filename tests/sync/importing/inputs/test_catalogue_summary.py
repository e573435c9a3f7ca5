"""Summaries of catalogues: the same as of the whole table, read in parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from astropy.table import Table

from sync.importing.inputs import catalogue_summary
from sync.importing.inputs.catalogue import open_catalogue, positions
from sync.importing.inputs.catalogue_summary import summarise_catalogue
from sync.importing.inputs.item import InputError
from sync.importing.inputs.parquet_table import read_parts

ROWS = 5000


@pytest.fixture
def table() -> Table:
    ra = np.arange(ROWS, dtype=float) % 360
    ra[::7] = np.nan
    return Table({"name": [f"g{number}" for number in range(ROWS)], "ra": ra, "dec": np.full(ROWS, -3.0)})


@pytest.mark.parametrize("format", ["ascii.csv", "ascii.ecsv", "votable", "fits", "parquet", "plain parquet"])
def test_the_summary_is_that_of_the_whole_table(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(catalogue_summary, "ROWS_AT_ONCE", 1500)
    file = tmp_path / "catalogue"
    if format == "plain parquet":
        parquet.write_table(pa.table({name: list(table[name]) for name in table.colnames}), file)
    else:
        table.write(file, format=format)
    summary = summarise_catalogue(file)
    places = positions(open_catalogue(file))
    assert (summary.row_count, summary.position_count) == (ROWS, sum(place is not None for place in places))
    assert summary.position_count == ROWS - len(range(0, ROWS, 7))
    assert summary.columns == ("name", "ra", "dec")
    assert (summary.has_positions, summary.problem, dict(summary.faulty_rows)) == (True, "", {})


def test_a_parquet_file_is_read_in_parts(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": range(ROWS)}), tmp_path / "a.parquet")
    parts = list(read_parts(tmp_path / "a.parquet", rows=2000))
    assert [len(part) for part in parts] == [2048, 2048, 904]
    assert np.concatenate([np.asarray(part["a"]) for part in parts]).tolist() == list(range(ROWS))


def test_a_column_that_no_table_can_hold_in_one_part_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_summary, "ROWS_AT_ONCE", 1024)
    years = pa.array([0] * 2000 + [10**7], pa.date32())  # a year that Python's dates do not reach
    parquet.write_table(pa.table({"a": range(2001), "when": years}), tmp_path / "a.parquet")
    assert summarise_catalogue(tmp_path / "a.parquet").columns == tuple(open_catalogue(tmp_path / "a.parquet").colnames)


@pytest.mark.parametrize("content", [b"PAR1 no Parquet", b""])
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet"):
        summarise_catalogue(tmp_path / "a.parquet")


def test_a_table_without_rows_is_named(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"ra": pa.array([], pa.float64())}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="has no row"):
        summarise_catalogue(tmp_path / "a.parquet")
