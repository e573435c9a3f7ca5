"""The interval of the difference between the rates at which pictures of two shares are accepted."""

from __future__ import annotations

import numpy as np
import pytest

from backend.heads.restoration.share import JudgedPicture
from backend.loop.scores.accepted_shares import acceptance, compare_shares
from backend.loop.scores.comparison import ComparisonResult


def rates(accepted_count: int, rejected_count: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [accepted_count, rejected_count])


@pytest.mark.parametrize(
    ("candidate", "other", "answer"),
    [
        (rates(18, 2), rates(6, 14), ComparisonResult.BETTER),
        (rates(6, 14), rates(18, 2), ComparisonResult.WORSE),
        (rates(12, 8), rates(10, 10), ComparisonResult.CANNOT_TELL),
        (rates(5, 0), rates(3, 2), ComparisonResult.CANNOT_TELL),
        (rates(4, 0), rates(0, 40), ComparisonResult.CANNOT_TELL),
        (rates(0, 0), rates(9, 1), ComparisonResult.CANNOT_TELL),
    ],
)
def test_only_a_clear_difference_is_significant(candidate: np.ndarray, other: np.ndarray, answer: ComparisonResult) -> None:
    assert compare_shares(candidate, other).answer is answer


def test_the_interval_is_that_of_agresti_and_caffo() -> None:
    comparison = compare_shares(rates(18, 2), rates(6, 14))
    # (19/22 - 7/22) -+ 1.645 sqrt(19 * 3 / 22^3 + 7 * 15 / 22^3)
    assert (comparison.low, comparison.high) == pytest.approx((0.3426, 0.7483), abs=1e-3)
    assert comparison.difference == pytest.approx(0.6)
    assert comparison.low < comparison.likely_low < comparison.difference


def test_equal_shares_are_rarely_found_better() -> None:
    rng = np.random.default_rng(0)
    answers = [compare_shares(*(rng.random((2, 15)) < 0.6).astype(float)).answer for _ in range(400)]
    assert answers.count(ComparisonResult.BETTER) < 0.07 * len(answers)


def test_the_verdicts_on_one_galaxy_count_once() -> None:
    pictures = [
        JudgedPicture(1, 0.5, True),
        JudgedPicture(2, 0.5, False),
        JudgedPicture(3, 0.5, True),
        JudgedPicture(4, 1.0, True),
    ]
    assert sorted(acceptance(pictures, 0.5, {1: "A", 2: "A"})) == [0.5, 1.0]
