from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.geometry.corners import box_edges
from sync.geometry.footprint import Footprint
from sync.geometry.overlap import box_overlap, box_overlaps, footprint_overlap, mask_overlap
from sync.geometry.shapes import Box

sizes = st.floats(0.5, 100)
boxes = st.builds(Box, st.floats(-50, 50), st.floats(-50, 50), sizes, sizes, st.sampled_from([0.0, 90.0, 33.0]))


@given(boxes, boxes)
def test_overlap_is_symmetric_and_one_only_with_itself(first: Box, second: Box) -> None:
    assert box_overlap(first, second) == pytest.approx(box_overlap(second, first))
    assert 0 <= box_overlap(first, second) <= 1 + 1e-9
    assert box_overlap(first, first) == pytest.approx(1)


@given(st.lists(boxes, max_size=3), st.lists(boxes, max_size=3))
def test_overlaps_of_arrays_equal_those_of_single_boxes(first: list[Box], second: list[Box]) -> None:
    overlaps = box_overlaps(box_edges(first), box_edges(second))
    assert overlaps.shape == (len(first), len(second))
    for row, box in enumerate(first):
        assert overlaps[row] == pytest.approx([box_overlap(box, other) for other in second])


def test_overlap_is_the_shared_area_over_that_of_both() -> None:
    assert box_overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box_overlap(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0
    assert box_overlap(Box(3, 3, 0, 0), Box(3, 3, 0, 0)) == 0


def test_masks_and_their_footprints_have_the_same_overlap() -> None:
    first, second = np.zeros((2, 9, 9), bool)
    first[2:5, 2:6], second[3:8, 4:9] = True, True
    assert mask_overlap(first, second) == pytest.approx(4 / 33)
    assert footprint_overlap(Footprint.of_mask(first), Footprint.of_mask(second)) == pytest.approx(4 / 33)


def test_empty_masks_do_not_overlap() -> None:
    assert mask_overlap(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0
