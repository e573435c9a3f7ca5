"""Comparison: better and worse only if significant, not for ties, and cross-validation widens the interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.scores.comparison import LEAST_GROUPS, ComparisonResult, compare

scores = st.lists(st.floats(0, 1), min_size=0, max_size=40)


@pytest.mark.parametrize(
    ("candidate", "other", "answer"),
    [
        ([0.9] * 8, [0.1] * 8, ComparisonResult.BETTER),
        ([0.1] * 8, [0.9] * 8, ComparisonResult.WORSE),
        ([0.5] * 8, [0.5] * 8, ComparisonResult.CANNOT_TELL),
        ([0.5004] * 8, [0.5] * 8, ComparisonResult.CANNOT_TELL),  # less than a tie
        ([0.9, 0.2] * 4, [0.2, 0.9] * 4, ComparisonResult.CANNOT_TELL),
        ([0.8, 0.8, 0.8, 0.82], [0.85, 0.84, 0.84, 0.838], ComparisonResult.CANNOT_TELL),  # four tasks are too few
        ([1, 0, 0, 0, 0, 0, 0, 0], [0] * 8, ComparisonResult.CANNOT_TELL),  # one object found by luck
        ([], [], ComparisonResult.CANNOT_TELL),
    ],
)
def test_only_significant_differences_are_better_or_worse(
    candidate: list[float], other: list[float], answer: ComparisonResult
) -> None:
    assert compare(candidate, other).answer is answer


@given(scores, st.integers(2, 10))
def test_a_version_never_differs_from_itself(scores_of_tasks: list[float], folds: int) -> None:
    assert (
        compare(scores_of_tasks, scores_of_tasks).answer
        is compare(scores_of_tasks, scores_of_tasks, folds=folds).answer
        is ComparisonResult.CANNOT_TELL
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 9)), max_size=40))
def test_swapping_the_versions_swaps_the_answer(rows: list[tuple[float, float, int]]) -> None:
    first, second, groups = ([row[column] for row in rows] for column in range(3))
    comparison, reverse = compare(first, second, groups=groups), compare(second, first, groups=groups)
    assert comparison.answer is reverse.reverse.answer
    assert (comparison.low, comparison.high) == pytest.approx((reverse.reverse.low, reverse.reverse.high))
    assert comparison.low <= comparison.difference <= comparison.high


def test_the_tasks_of_a_group_count_as_one() -> None:
    gains = np.array([0.1, 0.3, 0.05, 0.2, 0.15, 0.25])
    alone = compare(gains, np.zeros(6))
    comparison = compare(np.repeat(gains, 10), np.zeros(60), groups=np.repeat(np.arange(6), 10).tolist())
    assert (comparison.low, comparison.high) == pytest.approx((alone.low, alone.high))
    assert (comparison.tasks, comparison.groups) == (60, 6)


def test_many_tasks_of_few_groups_are_not_significant() -> None:
    groups = [task % (LEAST_GROUPS - 1) for task in range(100)]
    comparison = compare([1.0] * 100, [0.0] * 100, groups=groups)
    assert comparison.answer is ComparisonResult.CANNOT_TELL
    assert comparison.likely_low == -1


def test_cross_validation_widens_the_interval_and_repetitions_narrow_it() -> None:
    random = np.random.default_rng(0)
    gains, other = random.normal(0.05, 0.1, 30), np.zeros(30)

    def width(repeats: int, folds: int | None) -> float:
        comparison = compare(np.tile(gains, (repeats, 1)), np.tile(other, (repeats, 1)), folds=folds)
        return comparison.high - comparison.low

    assert width(1, 5) / width(1, None) == pytest.approx(np.sqrt(1 + 5 / 4))
    assert width(10, 5) / width(1, None) == pytest.approx(np.sqrt(1 / 10 + 5 / 4))


def test_held_out_tasks_among_cross_validated_ones_narrow_the_interval() -> None:
    gains = np.random.default_rng(0).normal(0.05, 0.1, 40)
    mixed_comparison = compare(gains, 0 * gains, cross_validated=[True] * 20 + [False] * 20, folds=5)
    resampled_comparison = compare(gains, 0 * gains, folds=5)
    assert mixed_comparison.high - mixed_comparison.low < resampled_comparison.high - resampled_comparison.low
    assert mixed_comparison.difference == resampled_comparison.difference


@pytest.mark.slow
@pytest.mark.parametrize("tasks", [8, 30, 200])
def test_about_one_in_twenty_equal_versions_is_found_better(tasks: int) -> None:
    random = np.random.default_rng(tasks)
    answers = [compare(random.beta(2, 1, tasks), random.beta(2, 1, tasks)).answer for _ in range(2000)]
    assert answers.count(ComparisonResult.BETTER) / 2000 == pytest.approx(0.05, abs=0.02)
    assert answers.count(ComparisonResult.WORSE) / 2000 == pytest.approx(0.05, abs=0.02)


@pytest.mark.slow
def test_about_one_in_ten_equal_versions_is_likely_better() -> None:
    random = np.random.default_rng(1)
    comparisons = [compare(random.beta(2, 1, 40), random.beta(2, 1, 40)) for _ in range(2000)]
    assert np.mean([comparison.likely_low > 0 for comparison in comparisons]) == pytest.approx(0.1, abs=0.02)
    assert all(comparison.low <= comparison.likely_low <= comparison.difference for comparison in comparisons)


def test_scores_of_different_shapes_are_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        compare([0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="groups"):
        compare([0.1, 0.2], [0.1, 0.2], groups=[1])
    with pytest.raises(ValueError, match="at least 2 folds, not 1"):
        compare([0.1, 0.2], [0.1, 0.2], folds=1)
