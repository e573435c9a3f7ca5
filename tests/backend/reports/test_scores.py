"""Scores and their intervals agree with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from backend.reports.agreement import cohen_kappa
from backend.reports.class_scores import accuracy, class_auc, count_confusions, macro_auc
from backend.reports.estimate import Estimate
from backend.reports.number_scores import r2, rmse
from backend.reports.resampling import draw_weights, estimate


def width(result: Estimate) -> float:
    assert result.low is not None
    assert result.high is not None
    return result.high - result.low


SOURCE = np.random.default_rng(0)
TRUE = SOURCE.integers(0, 3, 80)
PROBABILITIES = SOURCE.dirichlet([1, 1, 1], 80).round(1)  # with ties
PREDICTED = PROBABILITIES.argmax(axis=1)
WEIGHTS = np.concatenate([np.ones((1, 80)), SOURCE.integers(0, 3, (2, 80))])


@pytest.mark.parametrize("row", range(3))
def test_scores_are_those_of_scikit_learn(row: int) -> None:
    weights = WEIGHTS[row]
    hot = TRUE[:, None] == np.arange(3)
    aucs = [metrics.roc_auc_score(hot[:, label], PROBABILITIES[:, label], sample_weight=weights) for label in range(3)]
    assert accuracy(TRUE == PREDICTED)(WEIGHTS)[row] == pytest.approx(
        metrics.accuracy_score(TRUE, PREDICTED, sample_weight=weights)
    )
    assert [class_auc(PROBABILITIES[:, label], hot[:, label])(WEIGHTS)[row] for label in range(3)] == pytest.approx(aucs)
    assert macro_auc(PROBABILITIES, hot)(WEIGHTS)[row] == pytest.approx(np.mean(aucs))
    assert cohen_kappa(TRUE, PREDICTED)(WEIGHTS)[row] == pytest.approx(
        metrics.cohen_kappa_score(TRUE, PREDICTED, sample_weight=weights)
    )


@pytest.mark.parametrize("row", range(3))
def test_scores_of_numbers_are_those_of_scikit_learn(row: int) -> None:
    true, scores, weights = PROBABILITIES[:, 0], PROBABILITIES[:, 1], WEIGHTS[row]
    error = metrics.root_mean_squared_error(true, scores, sample_weight=weights)
    assert rmse(scores, true)(WEIGHTS)[row] == pytest.approx(error)
    assert r2(scores, true)(WEIGHTS)[row] == pytest.approx(metrics.r2_score(true, scores, sample_weight=weights))


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    assert count_confusions(TRUE, PREDICTED, classes=3) == metrics.confusion_matrix(TRUE, PREDICTED).tolist()


def test_a_class_of_all_images_has_no_auc() -> None:
    assert np.isnan(class_auc(PROBABILITIES[:, 0], np.ones(80, bool))(WEIGHTS)).all()
    assert np.isnan(macro_auc(PROBABILITIES[:, :1], np.ones((80, 1), bool))(WEIGHTS)).all()
    assert np.isnan(class_auc(np.empty(0), np.empty(0, bool))(np.ones((2, 0)))).all()


def test_equal_constant_predictions_have_kappa_one() -> None:
    constant = np.zeros(80, np.intp)
    assert cohen_kappa(constant, constant)(WEIGHTS).tolist() == [1, 1, 1]


def test_equal_numbers_have_no_r2() -> None:
    assert np.isnan(r2(PROBABILITIES[:, 0], np.ones(80))(WEIGHTS)).all()


def test_the_interval_of_an_accuracy_is_that_of_a_binomial() -> None:
    correct = np.arange(200) < 150
    result = estimate(accuracy(correct), list(range(200)))
    half = 1.96 * np.sqrt(0.75 * 0.25 / 200)
    assert result is not None
    assert result.value == 0.75
    assert result.low == pytest.approx(0.75 - half, abs=0.01)
    assert result.high == pytest.approx(0.75 + half, abs=0.01)


def test_images_of_one_galaxy_widen_the_interval() -> None:
    correct = np.repeat(np.arange(40) < 30, 5)
    alone, grouped_estimate = (
        estimate(accuracy(correct), groups) for groups in (list(range(200)), np.repeat(np.arange(40), 5).tolist())
    )
    assert alone is not None
    assert grouped_estimate is not None
    assert width(grouped_estimate) > 1.8 * (width(alone))


def test_few_galaxies_have_no_interval() -> None:
    result = estimate(accuracy(np.array([True, False, True, True])), ["a", "b", "c", "d"])
    assert result is not None
    assert (result.value, result.low, result.high) == (0.75, None, None)


def test_no_images_have_no_score() -> None:
    assert estimate(accuracy(np.empty(0, bool)), []) is None


def test_a_resample_holds_as_many_galaxies_as_there_are() -> None:
    weights = draw_weights(["a", "a", "b", "c"])
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 1:].sum(axis=1) == 3).all()
