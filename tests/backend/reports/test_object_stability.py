"""Agreement of the objects of two versions, and when labelling of objects may stop."""

from __future__ import annotations

import numpy as np
import pytest

from backend.reports.estimate import Estimate
from backend.reports.object_scores import ImageMatches
from backend.reports.object_stability import object_agreement
from backend.reports.stopping import may_stop

ONES = np.ones((1, 2))


def make_matches(*boxes: tuple[float, float, float, float], label: str = "Galaxy") -> ImageMatches:
    count = len(boxes)
    edges = np.array(boxes, np.float64).reshape(count, 4)
    return ImageMatches((label,) * count, np.ones(count), np.full(count, -1, np.intp), (), (), edges)


LEFT, RIGHT, MOVED = (0, 0, 10, 10), (50, 0, 60, 10), (1, 0, 11, 10)


def test_versions_that_find_the_same_objects_agree_completely() -> None:
    both = [make_matches(LEFT, RIGHT), make_matches(LEFT)]
    assert object_agreement(both, both)(ONES)[0] == 1


def test_a_slightly_moved_box_is_the_same_object() -> None:
    assert object_agreement([make_matches(LEFT), make_matches()], [make_matches(MOVED), make_matches()])(ONES)[0] == 1


def test_a_missing_object_and_another_label_are_changes() -> None:
    first = [make_matches(LEFT, RIGHT), make_matches(LEFT)]
    assert object_agreement(first, [make_matches(LEFT), make_matches(LEFT)])(ONES)[0] == pytest.approx(4 / 5)
    assert object_agreement(first, [make_matches(LEFT, RIGHT), make_matches(LEFT, label="Star")])(ONES)[0] == pytest.approx(
        4 / 6
    )


def test_without_objects_nothing_has_changed() -> None:
    empty = [make_matches(), make_matches()]
    assert object_agreement(empty, empty)(ONES)[0] == 1


def test_the_agreement_is_weighted_by_image() -> None:
    first, second = [make_matches(LEFT), make_matches(LEFT)], [make_matches(LEFT), make_matches(RIGHT)]
    values = object_agreement(first, second)(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert values.tolist() == [1, 0]


@pytest.mark.parametrize(("agreements", "expected"), [((1, 1, 1), True), ((1, 0.98, 1), False), ((1, 1), False)])
def test_labelling_may_stop_after_three_equal_versions(agreements: tuple[float, ...], expected: bool) -> None:
    changes = [None, *(Estimate(value=value) for value in agreements)]
    assert may_stop(changes, Estimate(value=0.001, low=0, high=0.004)) is expected
    assert not may_stop(changes, Estimate(value=0.001, low=0, high=0.006))
