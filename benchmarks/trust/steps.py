"""Steps of the loop: the change of scores from each live version to the next, on all unlabelled tasks.

A fall is significant by a one-sided paired t-test over those tasks at the level of 5 %. If no version changed anything, one
step in twenty would be a significant fall by chance; significantly more falls, by a binomial test, mean that the gate lets
worse versions live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["CHANCE", "Step", "Summary", "measure_step", "summarise"]

CHANCE = 0.05
"""One-sided significance level: the share of steps without a true change that fall significantly."""


@dataclass(frozen=True, slots=True)
class Step:
    """Change from one live version to the next.

    Attributes
    ----------
    labels : int
        Annotations when the later version was trained.
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
    """Result of a rule in all runs of a set.

    Attributes
    ----------
    runs, trained, live : int
        Label orders; versions that were trained, and that went live.
    falls : int
        Steps that fall by more than chance.
    expected : float
        Expected number of falls if no version changed anything.
    p_value : float
        Probability of `falls` or more falls if no version changed anything.
    worst : Step or None
        The greatest fall; None if no version went live.
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


def summarise(runs: Sequence[Sequence[Step]], *, trained_count: int, ends: Sequence[tuple[float, float]]) -> Summary:
    """Summarise the steps of several runs.

    Parameters
    ----------
    runs : sequence of sequence of Step
        Steps of each run.
    trained_count : int
        Versions that were trained in all runs.
    ends : sequence of (first, last)
        First and last score of each run.
    """
    steps = [step for run in runs for step in run]
    falls = sum(step.falls for step in steps)
    p_value = float(stats.binom.sf(falls - 1, len(steps), CHANCE)) if steps else 1.0
    worst = min(steps, key=lambda step: step.after - step.before, default=None)
    first, last = (float(np.mean(values)) for values in zip(*ends, strict=True))
    return Summary(len(runs), trained_count, len(steps), falls, CHANCE * len(steps), p_value, worst, first, last)
