"""Cells: a measurement is stored completely, a killed run loses only the current one, and scores follow their definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.label_efficiency.cells import Cell, append, read, score_of

PROBABILITIES = np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]])
CELL = Cell("resnet18", "64px", 100, 0, (60, 40), 1.5, Cell.pack(PROBABILITIES))


def test_a_cell_is_read_as_it_was_written(tmp_path: Path) -> None:
    append(tmp_path / "results" / "cells.jsonl", CELL)
    (cell,) = read(tmp_path / "results" / "cells.jsonl", settings=["64px"])
    assert cell == CELL
    assert cell.test() == pytest.approx(PROBABILITIES, rel=0.002)


def test_probabilities_close_to_one_stay_distinct() -> None:
    close = np.array([[1 - 1e-6, 1e-6], [1 - 2e-6, 2e-6]])
    first, second = Cell("resnet18", "64px", 10, 0, (5, 5), 1.0, Cell.pack(close)).test()[:, 0]
    assert 1 > first > second


def test_a_missing_file_has_no_cells(tmp_path: Path) -> None:
    assert read(tmp_path / "cells.jsonl", settings=["64px"]) == []


def test_cells_of_other_pixels_are_left_out(tmp_path: Path) -> None:
    append(tmp_path / "cells.jsonl", CELL)
    append(tmp_path / "cells.jsonl", replace(CELL, setting="128px"))
    assert [cell.setting for cell in read(tmp_path / "cells.jsonl", settings=["128px"])] == ["128px"]


def test_an_incomplete_line_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "cells.jsonl"
    append(file, CELL)
    file.write_text(file.read_text() + file.read_text()[:40])
    append(file, replace(CELL, seed=1))
    assert [cell.seed for cell in read(file, settings=["64px"])] == [0, 1]


def test_correct_and_certain_probabilities_score_best() -> None:
    score = score_of(np.eye(3), np.arange(3))
    assert (score.brier, score.ece) == (0, 0)


def test_wrong_and_certain_probabilities_score_worst() -> None:
    score = score_of(np.eye(3), np.array([1, 2, 0]))
    assert (score.brier, score.ece) == (2, 1)


def test_confidence_equal_to_accuracy_is_calibrated() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert score_of(probabilities, np.array([0, 0, 0, 1])).ece == pytest.approx(0)


def test_the_calibration_error_is_the_gap_of_confidence_and_accuracy() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert score_of(probabilities, np.array([0, 0, 1, 1])).ece == pytest.approx(0.25)
