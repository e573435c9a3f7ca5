"""Axes: round ticks that hold the values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.server.pages.axes import choose_ticks, fit_axis


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 240.0, [0.0, 50.0, 100.0, 150.0, 200.0]),
        (0.871, 0.956, [0.88, 0.9, 0.92, 0.94]),
        (-0.1, 0.1, [-0.1, -0.05, 0.0, 0.05, 0.1]),
    ],
)
def test_ticks_are_multiples_of_a_round_number(low: float, high: float, ticks: list[float]) -> None:
    assert choose_ticks(low, high) == ticks


@given(st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1))
def test_an_axis_holds_all_values_and_has_few_ticks(values: list[float]) -> None:
    axis = fit_axis(values, start=50, end=400)
    rounding = 1e-6 * (axis.high - axis.low)
    assert axis.low - rounding <= min(values) <= max(values) <= axis.high + rounding
    assert all(50 <= axis.position(value) <= 400 for value in values)
    assert 2 <= len(axis.ticks) <= 8


def test_an_axis_without_values_goes_from_zero_to_one() -> None:
    axis = fit_axis([], start=0, end=100)
    assert (axis.low, axis.high) == (0.0, 1.0)


def test_ticks_have_equal_decimals() -> None:
    assert [tick.text for tick in fit_axis([0.0, 1.0], start=0, end=100, count=4).ticks] == [
        "0.00",
        "0.25",
        "0.50",
        "0.75",
        "1.00",
    ]


def test_thousands_are_separated() -> None:
    assert [tick.text for tick in fit_axis([0, 2000], start=0, end=100, count=2).ticks] == ["0", "1,000", "2,000"]
