"""Figures of the detection benchmark: perfect detections, empty ones, thresholds, and cells read back from disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.detection.cells import Cell, as_numbers, choose_threshold, read, score
from benchmarks.detection.scores import Finds

WANTED = [np.array([[0.0, 0, 10, 10], [20, 20, 40, 30]]), np.empty((0, 4))]


def finds(*boxes: list[tuple[list[float], float]]) -> list[Finds]:
    return [(np.array([b for b, _ in scene]).reshape(-1, 4), np.array([s for _, s in scene])) for scene in boxes]


def test_all_objects_without_false_detections_score_one() -> None:
    perfect = finds([([0, 0, 10, 10], 0.9), ([20, 20, 40, 30], 0.8)], [])
    figures = score(perfect, WANTED, least_score=0.5)
    assert [figures[name] for name in ("ap", "ap50", "ap75", "precision", "recall", "accuracy")] == [1.0] * 6


def test_no_detections_score_zero() -> None:
    figures = score(finds([], []), WANTED, least_score=0.5)
    assert figures["ap"] == figures["recall"] == figures["accuracy"] == 0


def test_loose_boxes_are_hits_only_at_small_overlaps() -> None:
    loose = finds([([0, 0, 10, 14], 0.9), ([20, 20, 40, 34], 0.8)], [])
    figures = score(loose, WANTED, least_score=0.5)
    assert figures["ap50"] == 1
    assert figures["ap75"] == 0
    assert figures["ap"] == pytest.approx(0.5, abs=0.11)


def test_a_false_detection_in_an_empty_scene_lowers_precision() -> None:
    figures = score(finds([([0, 0, 10, 10], 0.9), ([20, 20, 40, 30], 0.8)], [([1, 1, 9, 9], 0.7)]), WANTED, least_score=0.5)
    assert figures["precision"] == figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["ap50"] == 1


def test_the_score_threshold_separates_true_and_false_detections() -> None:
    both_scores = finds([([0, 0, 10, 10], 0.8), ([20, 20, 40, 30], 0.7)], [([1, 1, 9, 9], 0.3)])
    assert 0.3 < choose_threshold(both_scores, WANTED) <= 0.7


def test_cells_are_read_as_they_were_written(tmp_path: Path) -> None:
    cell = Cell("lvm", "s", 50, 300, 0, 1.0, "a core", **score(finds([], []), WANTED, least_score=0.5))
    file = tmp_path / "detection.json"
    assert read(file) == []
    file.write_text(json.dumps({"cells": as_numbers([cell])}))
    assert read(file) == [cell]
