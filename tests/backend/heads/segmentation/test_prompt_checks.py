from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.segmentation.prompt_checks import MAXIMUM_PROMPTS, checked_boxes, checked_points
from sync.geometry.shapes import Box, Point


@given(st.floats(0, 40), st.floats(0, 30), st.booleans())
def test_every_point_of_the_image_lies_on_a_pixel(x: float, y: float, positive: bool) -> None:
    found = checked_points([(Point(x, y), positive)], (40, 30), others=0)
    (((row, column), sign),) = found.items()
    assert sign is positive
    assert row == min(int(y), 29)
    assert column == min(int(x), 39)


@pytest.mark.parametrize("point", [Point(-1, 5), Point(5, 31), Point(math.nan, 5), Point(5, math.inf)])
def test_a_point_outside_is_refused(point: Point) -> None:
    with pytest.raises(ValueError, match="outside"):
        checked_points([(point, True)], (40, 30), others=0)


def test_of_clicks_on_one_pixel_the_last_counts() -> None:
    clicks = [(Point(3.2, 4.1), True), (Point(9, 9), True), (Point(3.9, 4.8), False)]
    assert list(checked_points(clicks, (40, 30), others=0).items()) == [((9, 9), True), ((4, 3), False)]


def test_too_many_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        checked_points([(Point(1, 1), True)] * MAXIMUM_PROMPTS, (40, 30), others=1)


def test_a_box_covers_each_pixel_that_it_touches_and_is_cut_at_the_image() -> None:
    assert checked_boxes([Box(-5, 2.5, 10, 3)], (40, 30)) == [(slice(2, 6), slice(0, 5))]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (Box(1, 1, 0, 5), "no area"),
        (Box(1, 1, 5, -2), "no area"),
        (Box(50, 1, 5, 5), "outside"),
        (Box(math.nan, 1, 5, 5), "finite"),
        (Box(1, 1, math.inf, 5), "finite"),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(box: Box, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_boxes([box], (40, 30))
