"""Scores of detected objects are frequencies, in the order of the uncalibrated scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.detection.box_scores import ScoreCalibration, best_least_score, weigh_by_image


def calibrate(scores: list[float], matches: list[bool]) -> ScoreCalibration:
    return ScoreCalibration.fit(np.array(scores), np.array(matches), np.ones(len(scores)))


def test_with_many_objects_scores_become_frequencies() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.4, 0.9, 2000)
    truth = scores**3  # the scores are far too high
    matches = rng.random(2000) < truth
    calibration = ScoreCalibration.fit(scores, matches, np.ones(2000))
    assert np.abs(calibration.apply(scores) - truth).mean() < 0.03


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_calibration_keeps_the_order_of_scores(matches: list[bool]) -> None:
    scores = np.linspace(0.9, 0.4, len(matches))  # the brightest first, for annotators who delete those
    calibrated_scores = calibrate(scores.tolist(), matches).apply(scores)
    assert (np.diff(calibrated_scores) <= 0).all()


def test_few_objects_change_scores_little() -> None:
    assert calibrate([0.7, 0.7], [True, True]).apply(np.array([0.7])) == pytest.approx(0.7, abs=0.15)
    assert calibrate([0.7], [False]).apply(np.array([0.7])) > 0.4


def test_the_weight_of_a_crowded_image_is_limited() -> None:
    weights = weigh_by_image([100, 2])
    assert weights[:100].sum() == pytest.approx(5)
    assert weights[100:].tolist() == [1, 1]


def test_objects_that_are_mostly_kept_are_always_predicted() -> None:
    assert best_least_score(np.array([0.99, 0.98, 0.97]), 3) < 0.5
    assert best_least_score(np.array([]), 0) == 0


def test_the_least_score_is_half_of_the_f1_that_the_scores_predict() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.2, 0.1])
    least = best_least_score(scores, 2)
    is_shown = scores >= least
    best = 2 * scores[is_shown].sum() / (is_shown.sum() + scores.sum())
    assert least == pytest.approx(best / 2)
