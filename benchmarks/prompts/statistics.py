"""Statistics of clicked objects: overlap after n clicks, clicks until an overlap, and intervals of their means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.prompts.clicking import Clicked
from benchmarks.prompts.quality import MOST_CLICKS, Judged

__all__ = ["Interval", "clicks_until", "difference", "mean_of", "overlap_after", "share_reached"]

DRAWS = 2000
Figure = Callable[[Clicked], float]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def as_rounded(self) -> list[float]:
        """Return mean, low and high, rounded for JSON."""
        return [round(value, 4) for value in (self.mean, self.low, self.high)]

    def show(self, digits: int) -> str:
        """Return the mean and the interval as text of a table."""
        return f"{self.mean:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def overlap_after(clicks: int) -> Figure:
    """Return the figure "overlap after `clicks` clicks"."""
    return lambda series: series.after(clicks)


def clicks_until(overlap: float) -> Figure:
    """Return the figure "clicks until an overlap", which is `MOST_CLICKS` if it is not reached."""
    return lambda series: float(series.until(overlap, most=MOST_CLICKS))


def share_reached(overlap: float) -> Figure:
    """Return the figure "1 if an overlap was reached, else 0"."""
    return lambda series: float(max(series.overlaps) >= overlap)


def mean_of(rows: Sequence[Judged], figure: Figure) -> Interval:
    """Compute the mean of a figure over objects, and its interval from a bootstrap over images.

    The simulated annotators of an object are averaged first. Objects of one image share its sky and its neighbours, so images,
    not objects, are independent.
    """
    pictures, values = _by_object(rows, figure)
    return _interval(pictures, values)


def difference(ours: Sequence[Judged], theirs: Sequence[Judged], figure: Figure) -> Interval:
    """Compute the mean difference of a figure on the same objects, `ours` minus `theirs`.

    Raises
    ------
    ValueError
        If the two methods have different objects.
    """
    pictures, values = _by_object(ours, figure)
    others, less = _by_object(theirs, figure)
    if not np.array_equal(pictures, others):
        raise ValueError("the two methods were judged on different objects")
    return _interval(pictures, values - less)


def _by_object(rows: Sequence[Judged], figure: Figure) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the image's number and the mean over simulated annotators of each object, both of shape (objects,)."""
    hands: dict[int, list[float]] = {}
    pictures: dict[int, int] = {}
    for result in rows:
        hands.setdefault(id(result.object), []).append(figure(result.clicks))
        pictures[id(result.object)] = result.object.number
    return np.asarray(list(pictures.values())), np.asarray([np.mean(values) for values in hands.values()])


def _interval(pictures: NDArray[np.int64], values: NDArray[np.float64]) -> Interval:
    numbers = np.unique(pictures)
    sums = np.asarray([values[pictures == number].sum() for number in numbers])
    counts = np.asarray([(pictures == number).sum() for number in numbers])
    samples = np.random.default_rng(0).integers(len(numbers), size=(DRAWS, len(numbers)))
    means = sums[samples].sum(axis=1) / counts[samples].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))
