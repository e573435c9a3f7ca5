"""Embeddings in a file are read like those in an array."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from backend.active.pool import reduce_embeddings
from backend.active.row_file import RowFile

ROWS = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float16)


@pytest.mark.parametrize(
    "key",
    [slice(None), slice(10, 20), slice(45, 99), slice(0, 0), slice(0, 50, 7), np.array([3, 3, 49, 0]), np.array([], np.intp)],
)
def test_rows_are_read_as_from_an_array(key: slice | np.ndarray) -> None:
    file = RowFile(8)
    file.append(ROWS[:30])
    file.append(ROWS[30:])
    assert len(file) == 50
    assert file[key].dtype == np.float16
    np.testing.assert_array_equal(file[key], ROWS[key])


def test_numbers_beyond_half_precision_stay_finite() -> None:
    assert RowFile.of(np.array([[1e9, -1e9]], np.float32))[:].tolist() == [[65504, -65504]]


def test_the_axes_are_the_same_from_a_file() -> None:
    expected = reduce_embeddings(ROWS[:40], ROWS[40:], columns=lambda rows: rows[:, 2:])
    result = reduce_embeddings(RowFile.of(ROWS[:40]), RowFile.of(ROWS[40:]), columns=lambda rows: rows[:, 2:])
    for rows, expected_rows in zip(result, expected, strict=True):
        np.testing.assert_array_equal(rows, expected_rows)


@pytest.mark.slow
def test_many_embeddings_take_little_memory() -> None:
    script = """
import resource
import numpy as np
from backend.active.pool import reduce_embeddings
from backend.active.row_file import RowFile
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
file = RowFile(1280)
for _ in range(40):
    file.append(np.random.default_rng(0).standard_normal((1_000, 1280), np.float32))
features, _ = reduce_embeddings(file, file[:0])
assert features.shape == (40_000, 64)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(process.stdout) < 95  # the array alone would take 102 MB, and the rest about 60 MB
