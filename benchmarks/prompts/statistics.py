"""Figures of clicked objects: overlap after so many clicks, clicks to an overlap, and how sure the means are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.prompts.clicking import Clicked
from benchmarks.prompts.quality import MOST_CLICKS, Judged

__all__ = ["Interval", "difference", "mean_of", "overlap_after", "reached", "until"]

DRAWS = 2000
Figure = Callable[[Clicked], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def rounded(self) -> list[float]:
        """Mean, low and high, as kept in JSON."""
        return [round(value, 4) for value in (self.mean, self.low, self.high)]

    def show(self, digits: int) -> str:
        """As a table has it."""
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def overlap_after(clicks: int) -> Figure:
    """Overlap after so many clicks."""
    return lambda clicked: clicked.after(clicks)


def until(overlap: float) -> Figure:
    """Clicks until an overlap; the most that were given where it was never reached."""
    return lambda clicked: float(clicked.until(overlap, most=MOST_CLICKS))


def reached(overlap: float) -> Figure:
    """1 where an overlap was reached, else 0."""
    return lambda clicked: float(max(clicked.overlaps) >= overlap)


def mean_of(judged: Sequence[Judged], figure: Figure) -> Interval:
    """The mean of a figure over objects; hands are averaged first, and pictures are drawn anew for the interval.

    Objects of one picture share its sky and its neighbours, so pictures, not objects, are what is independent.
    """
    pictures, values = _by_object(judged, figure)
    return _interval(pictures, values)


def difference(ours: Sequence[Judged], theirs: Sequence[Judged], figure: Figure) -> Interval:
    """The mean difference of a figure on the same objects, ours less theirs."""
    pictures, values = _by_object(ours, figure)
    others, less = _by_object(theirs, figure)
    if not np.array_equal(pictures, others):
        raise ValueError("the two methods were judged on different objects")
    return _interval(pictures, values - less)


def _by_object(judged: Sequence[Judged], figure: Figure) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The picture's number and the hands' mean of each object, both of shape (objects,)."""
    hands: dict[int, list[float]] = {}
    pictures: dict[int, int] = {}
    for one in judged:
        hands.setdefault(id(one.object), []).append(figure(one.clicked))
        pictures[id(one.object)] = one.object.number
    return np.asarray(list(pictures.values())), np.asarray([np.mean(values) for values in hands.values()])


def _interval(pictures: NDArray[np.int64], values: NDArray[np.float64]) -> Interval:
    numbers = np.unique(pictures)
    sums = np.asarray([values[pictures == number].sum() for number in numbers])
    counts = np.asarray([(pictures == number).sum() for number in numbers])
    drawn = np.random.default_rng(0).integers(len(numbers), size=(DRAWS, len(numbers)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))
