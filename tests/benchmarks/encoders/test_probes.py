"""Probes: embeddings that hold the answer score high, and the interval of a difference covers zero for equal encoders."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.encoders.probes import Question, compare, probe, score

RANDOM = np.random.default_rng(0)
N = 300
TRUTH = (RANDOM.random(N) < 0.3).astype(float)
IS_TRAIN = np.arange(N) < 200
NOISE = RANDOM.normal(size=(N, 8)).astype(np.float32)
ANSWER = NOISE.copy()
ANSWER[:, 0] += np.float32(2) * TRUTH.astype(np.float32)


def test_embeddings_with_the_answer_score_higher_than_noise() -> None:
    question = Question("bar", TRUTH, IS_TRAIN)
    with_answer, noise = (probe(question, embeddings, labels=64) for embeddings in (ANSWER, NOISE))
    assert score(question, with_answer) > 0.8
    assert score(question, noise) < 0.65
    interval = compare(question, with_answer, noise)
    assert interval.difference == pytest.approx(score(question, with_answer) - score(question, noise))
    assert 0 < interval.low < interval.difference < interval.high


def test_the_score_is_the_area_under_the_roc_curve_of_the_scored_galaxies() -> None:
    question = Question("bar", TRUTH, IS_TRAIN)
    predictions = probe(question, ANSWER, labels=32)
    areas = [roc_auc_score(TRUTH[~IS_TRAIN], row) for row in predictions]
    assert score(question, predictions) == pytest.approx(np.mean(areas))


def test_equal_encoders_have_no_difference() -> None:
    question = Question("bar", TRUTH, IS_TRAIN)
    predictions = probe(question, ANSWER, labels=32)
    assert compare(question, predictions, predictions).difference == 0


def test_a_number_is_scored_by_its_explained_variance() -> None:
    numbers = 3 * ANSWER[:, 1].astype(float) + 8
    question = Question("metallicity", numbers, IS_TRAIN, is_numeric=True)
    good, bad = probe(question, ANSWER, labels=128), probe(question, np.roll(NOISE, 1, axis=0), labels=128)
    assert score(question, good) > 0.9
    assert score(question, bad) < 0.1
    interval = compare(question, good, bad)
    assert interval.low > 0.5
    assert interval.difference == pytest.approx(score(question, good) - score(question, bad))


def test_a_draw_has_labels_of_both_classes() -> None:
    rare = np.zeros(N)
    rare[[150, 250]] = 1
    predictions = probe(Question("ring", rare, IS_TRAIN), ANSWER, labels=32)
    assert np.isfinite(predictions).all()
