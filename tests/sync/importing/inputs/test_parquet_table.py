"""Parquet files of pandas, Arrow and astropy become equal tables."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table

from sync.importing.inputs.catalogue import Position, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError

OBJECT_ID = 1237648720693755918


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.parquet"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["a", None]), "a"),
        (pa.array(["a", None]).dictionary_encode(), "a"),
        (pa.array([OBJECT_ID, None]), str(OBJECT_ID)),
        (pa.array([3, None], pa.uint64()), 3),
        (pa.array([0.0342, None], pa.float32()), 0.0342),
        (pa.array([np.float16(1.5), None], pa.float16()), 1.5),
        (pa.array([True, None]), True),
        (pa.array([Decimal("1.50"), None]), 1.5),
        (pa.array([datetime(2024, 5, 1), None]), "2024-05-01 00:00:00.000000"),
        (pa.array([1, None], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        (pa.array([timedelta(seconds=1), None]), "0:00:01"),
        (pa.array([[1, None], None], pa.list_(pa.int64())), [1, None]),
        (pa.array([{"a": [0.5]}, None]), {"a": [0.5]}),
        (pa.array([b"text", None]), "text"),
        (pa.array([b"text", None], pa.binary(4)), "text"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_a_column_with_a_missing_value_is_exact(file: Path, values: pa.Array, expected: Any) -> None:
    parquet.write_table(pa.table({"value": values}), file)
    assert [row.columns["value"] for row in rows(open_catalogue(file))] == [expected, None]


def test_rows_without_a_position_do_not_stop_the_others(file: Path) -> None:
    parquet.write_table(pa.table({"ra": [150.1, None], "dec": [2, 3]}), file)
    assert positions(open_catalogue(file)) == [Position(150.1, 2.0), None]


def test_bytes_that_are_not_text_do_not_stop_the_import(file: Path) -> None:
    parquet.write_table(pa.table({"picture": [b"\xff\xd8"], "id": [1]}), file)
    assert [row.columns for row in rows(open_catalogue(file))] == [{"id": 1}]


def test_repeated_names_become_unique(file: Path) -> None:
    parquet.write_table(pa.table([pa.array([1]), pa.array([2])], names=["z", "z"]), file)
    assert [row.columns for row in rows(open_catalogue(file))] == [{"z": 1, "z_1": 2}]


PICKLE = pickle.dumps(Path("made").mkdir)


@pytest.mark.parametrize(
    "metadata",
    [
        {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": PICKLE},
        {b"PANDAS": PICKLE},
    ],
    ids=["extension type", "pandas"],
)
def test_pickles_in_the_metadata_remain_bytes(file: Path, metadata: dict[bytes, bytes]) -> None:
    schema = pa.schema([pa.field("ra", pa.float64(), metadata=metadata)], metadata=metadata)
    parquet.write_table(pa.table([pa.array([1.0])], schema=schema), file)
    assert [row.columns for row in rows(open_catalogue(file), columns=["ra"])] == [{"catalogue_ra": 1.0}]


def test_astropys_metadata_makes_no_objects(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    meta = b"datatype:\n- {name: ra, datatype: float64}\nmeta: !!python/object/apply:os.mkdir [made]\n"
    parquet.write_table(pa.table({"ra": [1.0]}).replace_schema_metadata({b"table_meta_yaml": meta}), file)
    with pytest.raises(InputError, match="cannot be read as a catalogue: could not determine a constructor"):
        open_catalogue(file)
    assert not (tmp_path / "made").exists()


def test_a_small_file_with_too_many_rows_is_rejected(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.importing.inputs.table_bounds.MAX_CELLS", 10**6)
    parquet.write_table(pa.table({"ra": pa.array(np.zeros(2 * 10**6, dtype=np.int8))}), file)
    assert file.stat().st_size < 10**5
    with pytest.raises(InputError, match="claims 2000000 rows of 1 columns, more than the 1000000 values"):
        open_catalogue(file)


def test_a_long_text_of_a_dictionary_is_not_decompressed_a_million_times(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.importing.inputs.parquet_table.MAX_BYTES", 10**6)
    indices = pa.array(np.zeros(10**4, dtype=np.int32))
    parquet.write_table(pa.table({"note": pa.DictionaryArray.from_arrays(indices, ["x" * 10**3]).cast(pa.string())}), file)
    assert file.stat().st_size < 10**5
    with pytest.raises(InputError, match="unpacks to more than 1000000 bytes"):
        open_catalogue(file)


def test_units_and_masks_of_astropy_are_read(file: Path) -> None:
    table = Table({"ra": [10.0, 11.0] * units.hourangle, "dec": [1.0, 2.0], "id": MaskedColumn([OBJECT_ID, 0], mask=[0, 1])})
    table.write(file)
    read = open_catalogue(file)
    assert positions(read)[0] == Position(pytest.approx(150), 1.0)  # type: ignore[arg-type]
    assert [row.columns["id"] for row in rows(read)] == [str(OBJECT_ID), None]
