"""Prompts: points and boxes are converted to pixels of the image, or an error message states the problem."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.heads.segmentation.prompt import MAXIMUM_PROMPTS, Prompt
from sync.geometry.shapes import Box, Point

SIZE = (40, 30)


@given(st.floats(0, 40), st.floats(0, 30), st.booleans())
def test_points_are_moved_to_the_middle_of_their_pixel(x: float, y: float, positive: bool) -> None:
    prompt = Prompt.of(SIZE, points=[(Point(x, y), positive)])
    assert prompt.positive.tolist() == [positive]
    assert prompt.points.tolist() == [[min(int(x), 39) + 0.5, min(int(y), 29) + 0.5]]


@pytest.mark.parametrize("point", [Point(-1, 5), Point(5, 31), Point(math.nan, 5), Point(5, math.inf)])
def test_a_point_outside_the_image_is_an_error(point: Point) -> None:
    with pytest.raises(ValueError, match="outside"):
        Prompt.of(SIZE, points=[(point, True)])


def test_the_last_click_on_a_pixel_counts() -> None:
    prompt = Prompt.of(SIZE, points=[(Point(3.2, 4.1), True), (Point(9, 9), True), (Point(3.9, 4.8), False)])
    assert prompt.points.tolist() == [[9.5, 9.5], [3.5, 4.5]]
    assert prompt.positive.tolist() == [True, False]


def test_too_many_prompts_are_an_error() -> None:
    with pytest.raises(ValueError, match="too many"):
        Prompt.of(SIZE, points=[(Point(1, 1), True)] * MAXIMUM_PROMPTS, boxes=[Box(1, 1, 2, 2)])


def test_a_box_covers_each_pixel_that_it_touches_and_is_clipped() -> None:
    assert Prompt.of(SIZE, boxes=[Box(-5, 2.5, 10, 3)]).boxes.tolist() == [[0, 2, 5, 6]]


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
def test_an_invalid_box_is_an_error(box: Box, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prompt.of(SIZE, boxes=[box])


def test_a_mask_of_another_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="a mask of 30x40 pixels does not fit an image of 40x30"):
        Prompt.of(SIZE, mask=np.zeros((40, 30), bool))


def test_without_prompts_all_arrays_are_empty() -> None:
    prompt = Prompt.of(SIZE)
    assert (prompt.points.shape, prompt.positive.shape, prompt.boxes.shape) == ((0, 2), (0,), (0, 4))


def test_points_in_a_box_can_be_selected() -> None:
    prompt = Prompt.of(SIZE, points=[(Point(3, 3), True), (Point(20, 20), False)])
    inside = prompt.select(prompt.in_box((0, 0, 10, 10)))
    assert inside.points.tolist() == [[3.5, 3.5]]
    assert inside.positive.tolist() == [True]
