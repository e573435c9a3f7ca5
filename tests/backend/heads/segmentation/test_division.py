"""Tests of the division of a mask by negative clicks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.heads.segmentation.division import Division
from backend.heads.segmentation.isophotes import Isophotes, Spot

SIDE = 48
GALAXY, NEIGHBOUR = (20.0, 24.0), (29.0, 24.0)
PLACES = st.tuples(st.floats(0, SIDE - 0.1), st.floats(0, SIDE - 0.1))


def light_of(*objects: tuple[Spot, float, float]) -> NDArray[np.float32]:
    """Return round objects of (centre, width, peak), shape (SIDE, SIDE)."""
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    light = sum(peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2)) for (x, y), width, peak in objects)
    return np.asarray(light, np.float32)


BLEND = light_of((GALAXY, 4, 40), (NEIGHBOUR, 2.5, 26))
ISOPHOTES = Isophotes.of(np.arcsinh(BLEND))
INSIDE = BLEND > 5


def test_a_deep_negative_click_gets_the_neighbour_of_a_blend_without_a_valley() -> None:
    assert ISOPHOTES.segments.max() == 1
    division = Division.of(ISOPHOTES, INSIDE, [NEIGHBOUR], [GALAXY])
    assert division.is_dividing.tolist() == [True]
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    assert division.other[np.hypot(columns - NEIGHBOUR[0], rows - NEIGHBOUR[1]) < 3].all()
    assert not division.other[np.hypot(columns - GALAXY[0], rows - GALAXY[1]) < 4].any()


def test_the_brighter_object_gets_the_larger_part() -> None:
    isophotes = Isophotes.of(np.arcsinh(light_of((GALAXY, 4, 40), (NEIGHBOUR, 4, 4))))
    division = Division.of(isophotes, INSIDE, [NEIGHBOUR], [GALAXY])
    between = division.other[24, int(GALAXY[0]) : int(NEIGHBOUR[0])]
    assert division.is_dividing.all()
    assert between.sum() < len(between) / 2 - 1


@pytest.mark.parametrize("negative", [(20.0, 16.5), (33.5, 24.0), (2.0, 2.0)])
def test_a_click_near_the_outline_or_outside_does_not_divide(negative: Spot) -> None:
    division = Division.of(ISOPHOTES, INSIDE, [negative], [GALAXY])
    assert not division.is_dividing.any()
    assert not division.other.any()


def test_a_click_behind_a_valley_does_not_divide() -> None:
    light = light_of(((14, 24), 3, 40), ((34, 24), 3, 30))
    division = Division.of(Isophotes.of(np.arcsinh(light)), np.ones((SIDE, SIDE), bool), [(34, 24)], [(14, 24)])
    assert not division.is_dividing.any()


@given(st.lists(PLACES, max_size=4), st.lists(PLACES, max_size=3), st.booleans())
def test_spots_of_the_selected_object_are_never_divided_off(negative: list[Spot], own: list[Spot], is_empty: bool) -> None:
    division = Division.of(ISOPHOTES, INSIDE & ~np.bool_(is_empty), negative, own)
    assert division.is_dividing.shape == (len(negative),)
    at_point = [(int(x) + 0.5, int(y) + 0.5) for x, y in own]
    exact = Division.of(ISOPHOTES, INSIDE, negative, at_point)
    assert not any(exact.other[int(y), int(x)] for x, y in own)
