"""Axes of charts: from values to positions, and the values at which an axis has a label."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Axis", "choose_ticks", "fit_axis"]

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position of an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis.

    Attributes
    ----------
    low, high : float
        Values at its ends.
    start, end : float
        Positions of these values, in the units of the drawing.
    count : int
        Largest number of intervals between two ticks.
    """

    low: float
    high: float
    start: float
    end: float
    count: int = 5

    def position(self, value: float) -> float:
        """Return the position of a value, rounded to a tenth; a value outside the axis is drawn at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[Tick]:
        """Labelled positions."""
        values = choose_ticks(self.low, self.high, count=self.count)
        decimals = max((_decimals(value) for value in values), default=0)
        return [Tick(self.position(value), f"{value:,.{decimals}f}") for value in values]


def fit_axis(
    values: Iterable[float], *, start: float, end: float, at_least: tuple[float, float] | None = None, count: int = 5
) -> Axis:
    """Return an axis that holds all values and ends at ticks.

    Parameters
    ----------
    values : iterable of float
    start, end : float
        Positions of its ends.
    at_least : (low, high), optional
        Values that the axis holds in any case.
    count : int
        Largest number of intervals between two ticks.
    """
    all_values = [*values, *(at_least or ())] or [0.0, 1.0]
    low, high = min(all_values), max(all_values)
    if low == high:
        margin = abs(low) / 10 or 0.5
        low, high = low - margin, high + margin
    step = _step(low, high, count)
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, start, end, count)


def choose_ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return the multiples of a round number between `low` and `high`, at most `count` + 1 of them."""
    step = _step(low, high, count)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _step(low: float, high: float, count: int) -> float:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))


def _decimals(value: float) -> int:
    text = f"{value:.6f}".rstrip("0")
    return len(text.partition(".")[2])
