from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.controls import number
from sync.controls.bounds import STEP_TOLERANCE, round_to_step
from sync.errors.controls import ControlError
from sync.labelling.config import Control

FREE = Control(name="z", to_name="image", tag="Number")


def make_control(minimum: float | None, maximum: float | None, step: float | None = None) -> Control:
    return Control(name="z", to_name="image", tag="Number", minimum=minimum, maximum=maximum, step=step)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_encoded_values_are_decoded(value: float) -> None:
    assert number.decode(number.encode(value, control=FREE)) == value


@given(st.floats(-1e6, 1e6), st.floats(-100, 0), st.floats(0, 100))
def test_a_number_is_moved_into_the_bounds(value: float, low: float, high: float) -> None:
    result = number.encode(value, control=make_control(low, high))["value"]["number"]
    assert result == min(max(value, low), high)


@given(st.floats(-10, 10), st.sampled_from([0.001, 0.1, 0.25, 1.0, 3.0]), st.sampled_from([None, -1.0, 0.0, 0.05]))
def test_a_number_is_moved_to_a_step_from_the_minimum(value: float, step: float, low: float | None) -> None:
    result = round_to_step(value, make_control(low, 2.0, step))
    steps = (result - (low or 0)) / step
    assert abs(steps - round(steps)) * step < STEP_TOLERANCE
    assert result <= 2.0
    assert low is None or result >= low
    assert abs(result - min(max(value, -10 if low is None else low), 2.0)) <= step


def test_the_last_step_stays_below_the_maximum() -> None:
    assert round_to_step(10, make_control(0, 1, 0.4)) == 0.8


def test_bounds_narrower_than_a_step_leave_the_minimum() -> None:
    assert round_to_step(5, make_control(1, 2, 10)) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_not_encoded(value: float) -> None:
    with pytest.raises(ControlError, match="finite"):
        number.encode(value, control=FREE)


@pytest.mark.parametrize("value", [None, "1", True, [1], float("nan"), float("-inf"), 10**400])
def test_values_that_are_not_numbers_are_rejected(value: Any) -> None:
    with pytest.raises(ControlError):
        number.decode({"type": "number", "value": {"number": value}})
