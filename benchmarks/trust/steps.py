"""What is measured of the loop's versions: from each one that went live to the next, the change on all tasks that it never saw.

A change is significant where its paired interval over those tasks leaves out 0. Of changes that are none, one in twenty falls
significantly by chance alone; more than that many falls, by a binomial test, mean that the gate lets worse versions live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["CHANCE", "Step", "Summary", "measure_step", "summarise"]

CHANCE = 0.05
"""One-sided: the share of steps without a true change that fall significantly."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one live version to the next.

    Attributes
    ----------
    labels : int
        Annotations when the later version was made.
    before, after : float
        Mean scores on the tasks that are not annotated.
    low, high : float
        95 % interval of the difference.
    falls : bool
        Whether the score falls by more than chance.
    """

    labels: int
    before: float
    after: float
    low: float
    high: float
    falls: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """What a rule did in all runs of a set.

    Attributes
    ----------
    runs, trained, live : int
        Label orders; versions that were trained, and that went live.
    falls : int
        Steps that fall by more than chance.
    expected : float
        Steps that would if no version changed anything.
    p_value : float
        Of so many falls or more, if no version changed anything.
    worst : Step or None
        The greatest fall; None where no version went live.
    first, last : float
        Mean score of the shipped head, and of the version that is live at the end, each on the tasks not annotated at the end.
    """

    runs: int
    trained: int
    live: int
    falls: int
    expected: float
    p_value: float
    worst: Step | None
    first: float
    last: float


def measure_step(before: NDArray[np.floating], after: NDArray[np.floating], *, labels: int) -> Step:
    """Compare the scores of two versions on the same tasks, shape (n,) each."""
    gain = after - before
    mean, error = float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else float("inf")
    half = float(stats.t.ppf(0.975, max(len(gain) - 1, 1))) * error
    falls = mean < -float(stats.t.ppf(1 - CHANCE, max(len(gain) - 1, 1))) * error
    return Step(labels, float(before.mean()), float(after.mean()), mean - half, mean + half, bool(falls and mean < 0))


def summarise(runs: Sequence[Sequence[Step]], *, trained: int, ends: Sequence[tuple[float, float]]) -> Summary:
    """Put the steps of several runs together.

    Parameters
    ----------
    ends : sequence of (first, last)
        Of each run.
    """
    steps = [step for run in runs for step in run]
    falls = sum(step.falls for step in steps)
    p_value = float(stats.binom.sf(falls - 1, len(steps), CHANCE)) if steps else 1.0
    worst = min(steps, key=lambda step: step.after - step.before, default=None)
    first, last = (float(np.mean(values)) for values in zip(*ends, strict=True))
    return Summary(len(runs), trained, len(steps), falls, CHANCE * len(steps), p_value, worst, first, last)
