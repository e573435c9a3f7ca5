"""Compare the scores of a candidate with those of another version: do they differ significantly on the same tasks?

Both versions are scored on the same tasks, so a difficult galaxy affects both. Galaxies near each other are not independent, so
the tasks of a group count as one. Scores of cross-validation come from heads that share most of their training data; their
differences vary less than those of independent trainings, and their variance is corrected for that.

References
----------
Nadeau & Bengio (2003), Machine Learning 52, 239: the corrected resampled t-test.
Bouckaert & Frank (2004), PAKDD, LNCS 3056, 3: the same for repeated cross-validation.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["LEAST_GROUPS", "LEVEL", "LIKELY_LEVEL", "TIE", "Comparison", "ComparisonResult", "compare"]

LEVEL = 0.9
"""Confidence level of the two-sided interval: of candidates that are equal to the other version, one in twenty is found
better, and one in twenty worse."""
LEAST_GROUPS = 5
"""With fewer groups of tasks the spread cannot be estimated, and no difference is significant."""
LIKELY_LEVEL = 0.8
"""Confidence level of the narrower interval for candidates that are expected to be better: of equal ones, one in ten is found
better."""
TIE = 1e-3
"""Differences of scores below this are ignored."""


class ComparisonResult(StrEnum):
    """Result of a comparison, for the candidate."""

    BETTER = "better"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of a candidate with another version.

    Attributes
    ----------
    answer : ComparisonResult
        `BETTER` if the whole interval is above `TIE`, `WORSE` if it is below ``-TIE``, else `CANNOT_TELL`.
    difference : float
        Candidate's score minus the other version's, mean over the groups, -1 to 1.
    low, high : float
        Interval of that difference at `LEVEL`; -1 and 1 with fewer than `LEAST_GROUPS` groups.
    tasks, groups : int
        Number of tasks that both were scored on, and of groups of them.
    likely_low : float
        Lower end of the interval at `LIKELY_LEVEL`; -1 with fewer than `LEAST_GROUPS` groups.
    """

    answer: ComparisonResult
    difference: float
    low: float
    high: float
    tasks: int
    groups: int
    likely_low: float = -1.0

    @property
    def reverse(self) -> Comparison:
        """The comparison of the other version with the candidate."""
        answer = {ComparisonResult.BETTER: ComparisonResult.WORSE, ComparisonResult.WORSE: ComparisonResult.BETTER}.get(
            self.answer, self.answer
        )
        likely_low = max(self.likely_low - 2 * self.difference, -1.0) if self.likely_low > -1 else -1.0
        return Comparison(answer, -self.difference, -self.high, -self.low, self.tasks, self.groups, likely_low)


def compare(
    candidate: ArrayLike,
    other: ArrayLike,
    *,
    groups: Sequence[Hashable] | None = None,
    cross_validated: Sequence[bool] | None = None,
    folds: int | None = None,
) -> Comparison:
    """Compare two versions by their scores on the same tasks.

    Parameters
    ----------
    candidate, other : array_like, shape (n,) or (r, n)
        Scores of n tasks, between 0 and 1; with cross-validation, one row for each of r repetitions.
    groups : sequence of length n, optional
        Group of each task; by default each task is a group.
    cross_validated : sequence of bool, length n, optional
        Which scores come from cross-validation; by default all of them if `folds` is given. The other scores come from heads
        that were not trained on the task.
    folds : int, optional
        Number of folds of the cross-validation, at least 2; by default no score comes from cross-validation.

    Raises
    ------
    ValueError
        If the shapes do not match, or `folds` is missing or below 2 though scores come from cross-validation.
    """
    first, second = (np.atleast_2d(np.asarray(scores, np.float64)) for scores in (candidate, other))
    if first.shape != second.shape:
        raise ValueError(f"the candidate has scores of shape {first.shape} and the other version of {second.shape}")
    repeats, count = first.shape
    names = list(range(count)) if groups is None else list(groups)
    is_resampled = np.asarray([folds is not None] * count if cross_validated is None else cross_validated, bool)
    if len(names) != count or len(is_resampled) != count:
        raise ValueError(f"there are {count} tasks, but {len(names)} groups and {len(is_resampled)} marks of cross-validation")
    if not count:
        return Comparison(ComparisonResult.CANNOT_TELL, 0.0, -1.0, 1.0, 0, 0)
    if is_resampled.any() and (folds is None or folds < 2):
        raise ValueError(f"cross-validation needs at least 2 folds, not {folds}")
    differences, variances = _average_groups(first - second, names, _inflation(is_resampled, repeats=repeats, folds=folds))
    number, mean = differences.shape[1], float(differences.mean())
    if number < LEAST_GROUPS:
        return Comparison(ComparisonResult.CANNOT_TELL, mean, -1.0, 1.0, count, number)
    spread = float(differences.var(axis=1, ddof=1).mean())
    error = np.sqrt(spread * variances.sum()) / number
    half = float(stats.t.ppf((1 + LEVEL) / 2, number - 1) * error)
    low, high = max(mean - half, -1.0), min(mean + half, 1.0)
    answer = ComparisonResult.BETTER if low > TIE else ComparisonResult.WORSE if high < -TIE else ComparisonResult.CANNOT_TELL
    likely_low = mean - float(stats.t.ppf((1 + LIKELY_LEVEL) / 2, number - 1) * error)
    return Comparison(answer, mean, low, high, count, number, max(likely_low, -1.0))


def _inflation(is_resampled: NDArray[np.bool_], *, repeats: int, folds: int | None) -> NDArray[np.float64]:
    """Return the factor by which the variance of each task's difference is multiplied, shape (n,).

    Over r repetitions of k folds the corrected variance of the mean is ``(1 / (r k) + 1 / (k - 1)) s2``, where s2 is the
    variance of the means of single folds (Nadeau & Bengio 2003, section 3, with n_test / n_train = 1 / (k - 1)). The mean of a
    fold of n / k tasks has k / n of the variance of one task, which gives the factor below.
    """
    if folds is None:
        return np.ones(len(is_resampled))
    return np.where(is_resampled, 1 / repeats + folds / (folds - 1), 1.0)


def _average_groups(
    differences: NDArray[np.float64], names: Sequence[Hashable], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of differences and of variance factors over the groups, shapes (r, g) and (g,)."""
    position = {name: index for index, name in enumerate(dict.fromkeys(names))}
    member = np.zeros((len(names), len(position)))
    member[np.arange(len(names)), [position[name] for name in names]] = 1
    member /= member.sum(axis=0)
    return differences @ member, variances @ member
