from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.detection.metrics import box_overlaps, clearly_better, corners, f1, mask_overlap
from sync.geometry.shapes import Box

sizes = st.floats(0.5, 100)
boxes = st.builds(Box, st.floats(-50, 50), st.floats(-50, 50), sizes, sizes)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_one_only_with_itself(a: Box, b: Box) -> None:
    overlap = box_overlaps(corners([a]), corners([b]))[0, 0]
    assert 0 <= overlap <= 1 + 1e-9
    assert overlap == pytest.approx(box_overlaps(corners([b]), corners([a]))[0, 0])
    assert box_overlaps(corners([a]), corners([a]))[0, 0] == pytest.approx(1)


def test_half_a_box_overlaps_by_half() -> None:
    assert box_overlaps(corners([Box(0, 0, 10, 10)]), corners([Box(0, 0, 10, 5)])).tolist() == [[0.5]]


def test_a_turned_box_counts_with_the_upright_one_around_it() -> None:
    assert corners([Box(10, 10, 4, 2, rotation=90)])[0] == pytest.approx([8, 10, 10, 14])


def test_f1_of_nothing_found_where_nothing_was_is_one() -> None:
    assert f1(np.zeros((0, 0), bool)) == 1
    assert f1(np.zeros((3, 0), bool)) == 0
    assert f1(np.zeros((0, 2), bool)) == 0


def test_f1_counts_each_object_once() -> None:
    assert f1(np.array([[True, True], [False, False]])) == pytest.approx(0.5)
    assert f1(np.eye(4, dtype=bool)) == 1


def test_overlap_of_empty_masks_is_zero() -> None:
    assert mask_overlap(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0


def test_a_gain_within_its_standard_error_is_not_clear() -> None:
    default = np.full(4, 0.5)
    assert clearly_better(default + 0.1, default)
    assert not clearly_better(default + np.array([0.5, -0.4, 0.3, -0.3]), default)
    assert not clearly_better(default, default)
    assert not clearly_better(default[:1] + 0.1, default[:1])
