"""Detection metrics: hits, misses and false alarms counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.scores import measure

ONE, OTHER = [0.0, 0, 10, 10], [50.0, 50, 60, 60]


def finds(*boxes_and_scores: tuple[list[float], float]) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.array([box for box, _ in boxes_and_scores], float).reshape(-1, 4)
    return boxes, np.array([score for _, score in boxes_and_scores], float)


def test_all_objects_without_false_detections_score_one() -> None:
    scores = measure([finds((ONE, 0.9), (OTHER, 0.8))], [np.array([ONE, OTHER])], least_score=0.5)
    assert (scores.average_precision, scores.precision, scores.recall, scores.f1, scores.accuracy) == (1, 1, 1, 1, 1)


def test_an_object_is_matched_once() -> None:
    scores = measure([finds((ONE, 0.9), (ONE, 0.8))], [np.array([ONE])], least_score=0.5)
    assert (scores.precision, scores.recall, scores.accuracy) == (0.5, 1, 0.5)
    assert scores.average_precision == 1  # the false alarm has a lower score than the hit


def test_detections_below_the_threshold_count_only_for_average_precision() -> None:
    scores = measure([finds((ONE, 0.9), (OTHER, 0.2))], [np.array([ONE, OTHER])], least_score=0.5)
    assert (scores.precision, scores.recall, scores.average_precision) == (1, 0.5, 1)


def test_a_false_detection_with_a_higher_score_lowers_average_precision() -> None:
    scores = measure([finds((OTHER, 0.9), (ONE, 0.8))], [np.array([ONE])], least_score=0.5)
    assert scores.average_precision == pytest.approx(0.5)


def test_an_empty_scene_without_detections_has_no_hits() -> None:
    empty_score = measure([finds()], [np.empty((0, 4))], least_score=0.5)
    miss = measure([finds()], [np.array([ONE])], least_score=0.5)
    assert (empty_score.recall, miss.recall, miss.accuracy) == (0, 0, 0)
