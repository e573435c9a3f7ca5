"""Values of all kinds of columns become equal JSON values."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import CartesianRepresentation
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from sync.importing.inputs.catalogue import rows
from sync.importing.inputs.json_columns import ROWS_AT_ONCE

OBJECT_ID = 1237648720693755918


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (np.array([0.0342, np.inf], dtype=np.float32), [0.0342, None]),
        (np.array([1.1, np.nan], dtype=np.float16), [1.1, None]),
        (np.array([1 / 3, np.nan]), [1 / 3, None]),
        (np.array([0.5, np.nan], dtype=np.longdouble), [0.5, None]),
        (MaskedColumn([0.5, 1.5], mask=[True, False]), [None, 1.5]),
        (np.array([OBJECT_ID, 3]), [str(OBJECT_ID), "3"]),
        (MaskedColumn([OBJECT_ID, 3], mask=[False, True]), [str(OBJECT_ID), None]),
        (np.array([2**53, -(2**53)]), [2**53, -(2**53)]),
        (np.array([2**64 - 1, 1], dtype=np.uint64), [str(2**64 - 1), "1"]),
        (np.array([True, False]), [True, False]),
        (MaskedColumn([True, False], mask=[False, True]), [True, None]),
        (np.array([b"ab  ", "é".encode()]), ["ab", "é"]),
        (np.array([b"\xff", b""]), ["�", ""]),
        (MaskedColumn(["a", "b"], mask=[False, True]), ["a", None]),
        (np.array([[0.1, np.nan], [1, 2]], dtype=np.float32), [[0.1, None], [1.0, 2.0]]),
        (np.array([[OBJECT_ID], [1]]), [[str(OBJECT_ID)], ["1"]]),
        (np.array([1 + 2j, np.nan]), ["(1+2j)", None]),
        (np.array(["2024-05-01", "NaT"], dtype="datetime64[D]"), ["2024-05-01", None]),
        (Time(["2024-05-01", "2024-05-02"]), ["2024-05-01T00:00:00.000", "2024-05-02T00:00:00.000"]),
        ([1.5, 2.5] * units.mag, [1.5, 2.5]),
        (np.array([(1, b"a"), (2, b"b")], dtype=[("n", "i4"), ("s", "S1")]), [[1, "a"], [2, "b"]]),
    ],
    ids=str,
)
def test_a_column_is_converted_to_json(column: Any, expected: list[Any]) -> None:
    assert read_back(column) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (np.nan, None),
        (OBJECT_ID, str(OBJECT_ID)),
        (Decimal("1.50"), 1.5),
        (Decimal("NaN"), None),
        (Decimal(OBJECT_ID), str(OBJECT_ID)),
        (date(2024, 5, 1), "2024-05-01"),
        ([1, (np.float32(0.1), b"a")], [1, [0.1, "a"]]),
        ({"n": np.int64(3), 4: None}, {"n": 3, "4": None}),
        (MaskedColumn([1, 2], mask=[True, False]), [None, 2]),
    ],
    ids=str,
)
def test_an_object_is_converted_to_json(value: Any, expected: Any) -> None:
    column = np.empty(2, dtype=object)
    column[0], column[1] = value, "other"
    assert read_back(column) == [expected, "other"]


def test_other_objects_become_text() -> None:
    assert all(isinstance(value, str) for value in read_back(CartesianRepresentation([1, 2], [3, 4], [5, 6])))


def test_an_id_is_text_in_all_rows_or_in_none() -> None:
    ids = np.arange(2 * ROWS_AT_ONCE)
    ids[-1] = OBJECT_ID
    values = [row.columns["id"] for row in rows(Table({"id": ids}))]
    assert values == [*map(str, range(2 * ROWS_AT_ONCE - 1)), str(OBJECT_ID)]


def read_back(column: Any) -> list[Any]:
    values = [row.columns["value"] for row in rows(QTable({"value": column}))]
    json.dumps(values, allow_nan=False)
    return values
