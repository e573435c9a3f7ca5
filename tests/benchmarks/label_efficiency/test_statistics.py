"""Label efficiency: the labels that a curve needs, bounds where it is censored, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmarks.label_efficiency.statistics import (
    Bounds,
    auc_samples,
    interval,
    labels_needed,
    ladder,
    ratio,
    resampled_curves,
    resampling_weights,
)

RUNGS = (10, 100, 1000)
CURVES = st.lists(st.floats(0.5, 1), min_size=3, max_size=3)


def test_the_ladder_ends_with_all_labels() -> None:
    assert ladder(2984) == (10, 20, 50, 100, 200, 500, 1000, 2000, 2984)


def test_a_rung_with_all_labels_occurs_once() -> None:
    assert ladder(100) == (10, 20, 50, 100)


def test_the_curve_is_linear_in_the_logarithm_between_rungs() -> None:
    assert labels_needed(RUNGS, [0.6, 0.8, 0.9], target=0.7).low == pytest.approx(math.sqrt(10 * 100))


def test_a_rung_that_reaches_the_target_is_the_answer() -> None:
    bounds = labels_needed(RUNGS, [0.6, 0.8, 0.9], target=0.8)
    assert bounds.exact
    assert bounds.low == pytest.approx(100)


def test_a_curve_below_the_target_needs_more_than_all_labels() -> None:
    assert labels_needed(RUNGS, [0.6, 0.7, 0.8], target=0.9) == Bounds(1000, math.inf)


def test_a_curve_that_starts_at_the_target_needs_at_most_the_first_rung() -> None:
    assert labels_needed(RUNGS, [0.9, 0.9, 0.95], target=0.9) == Bounds(0, 10)


def test_a_decreasing_curve_is_averaged() -> None:
    # Isotonic regression gives 0.88 for 0.92 and 0.84, so noise does not reach the target of 0.9.
    assert labels_needed(RUNGS, [0.6, 0.92, 0.84], target=0.9) == Bounds(1000, math.inf)


@given(CURVES, st.floats(0.5, 1), st.floats(0, 0.2))
def test_a_higher_target_never_needs_fewer_labels(scores: list[float], target: float, more: float) -> None:
    lower, higher = (labels_needed(RUNGS, scores, target=goal) for goal in (target, target + more))
    assert lower.low <= higher.low * (1 + 1e-9)
    assert lower.high <= higher.high * (1 + 1e-9)


@given(CURVES, st.floats(0.5, 1))
def test_a_result_lies_inside_the_rungs_or_is_a_bound(scores: list[float], target: float) -> None:
    bounds = labels_needed(RUNGS, scores, target=target)
    assert bounds in (Bounds(0, 10), Bounds(1000, math.inf)) or (bounds.exact and 10 <= bounds.low <= 1000 * (1 + 1e-9))


def test_rungs_must_increase() -> None:
    with pytest.raises(ValueError, match="rungs must rise"):
        labels_needed((10, 10), [0.5, 0.6], target=0.9)


def test_the_number_of_scores_must_equal_the_number_of_rungs() -> None:
    with pytest.raises(ValueError, match="3 rungs and 2 scores"):
        labels_needed(RUNGS, [0.5, 0.6], target=0.9)


def test_the_ratio_of_numbers_is_a_number() -> None:
    assert ratio(Bounds(1000, 1000), Bounds(20, 20)) == Bounds(50, 50)


def test_a_baseline_below_the_target_gives_a_lower_bound() -> None:
    assert ratio(Bounds(1000, math.inf), Bounds(20, 20)) == Bounds(50, math.inf)


def test_a_model_that_starts_at_the_target_gives_a_lower_bound() -> None:
    assert ratio(Bounds(1000, 1000), Bounds(0, 10)) == Bounds(100, math.inf)


def test_two_curves_below_the_target_give_no_bound() -> None:
    assert ratio(Bounds(1000, math.inf), Bounds(1000, math.inf)) == Bounds(0, math.inf)


def test_factors_multiply_to_the_total() -> None:
    baseline, random, active = Bounds(1000, 1000), Bounds(80, 80), Bounds(20, 20)
    assert ratio(baseline, random).low * ratio(random, active).low == pytest.approx(ratio(baseline, active).low)


def test_an_interval_contains_the_bounds_of_its_samples() -> None:
    samples = [Bounds(0, 10)] * 5 + [Bounds(50, 50)] * 90 + [Bounds(1000, math.inf)] * 5
    assert interval(samples) == Bounds(0, math.inf)


def test_rare_samples_do_not_change_the_interval() -> None:
    samples = [Bounds(0, 10)] + [Bounds(n, n) for n in range(40, 60) for _ in range(5)] + [Bounds(1000, math.inf)]
    assert interval(samples) == Bounds(40, 59)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_areas_equal_those_of_scikit_learn_with_ties_and_weights(seed: int) -> None:
    generator = np.random.default_rng(seed)
    positive = np.r_[True, False, generator.random(30) < 0.3]
    scores = generator.integers(0, 8, size=32) / 8
    weights = generator.integers(0, 3, size=(3, 32)).astype(float)
    weights[:, :2] = 1
    areas = auc_samples(scores, positive, weights=weights)
    assert areas == pytest.approx([roc_auc_score(positive, scores, sample_weight=row) for row in weights])


def test_a_sample_without_positives_has_no_area() -> None:
    weights = np.array([[1.0, 1.0], [0.0, 2.0]])
    assert np.isnan(auc_samples(np.array([1.0, 0.0]), np.array([True, False]), weights=weights)).tolist() == [False, True]


def test_the_first_resampling_is_the_identity() -> None:
    weights = resampling_weights(50, samples=20, seed=0)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 50).all()
    assert (weights[1:] != 1).any(axis=1).all()


def test_the_first_curve_is_the_mean_over_seeds() -> None:
    samples = np.random.default_rng(0).random((5, 3, 8))
    assert resampled_curves(samples, seed=0)[0] == pytest.approx(samples[:, :, 0].mean(axis=0))


def test_with_equal_seeds_only_the_galaxies_vary() -> None:
    curve = np.random.default_rng(0).random((1, 3, 8))
    assert resampled_curves(np.repeat(curve, 4, axis=0), seed=0) == pytest.approx(curve[0].T)


def test_different_seeds_make_the_curves_vary() -> None:
    samples = np.broadcast_to(np.array([0.0, 1.0]).reshape(2, 1, 1), (2, 3, 200))
    assert resampled_curves(samples, seed=0).std(axis=0) == pytest.approx(np.sqrt(0.125), abs=0.05)
