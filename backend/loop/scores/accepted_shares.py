"""Compare how often annotators accept the restored pictures of two shares of the correction.

Each picture was drawn with one share, chosen at random, so the two samples are independent and have different galaxies.

References
----------
Agresti & Caffo (2000), The American Statistician 54, 280: the interval of the difference of two proportions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.restoration.share import JudgedPicture
from backend.loop.scores.comparison import LEAST_GROUPS, LEVEL, LIKELY_LEVEL, TIE, Comparison, ComparisonResult

__all__ = ["acceptance", "compare_shares"]


def acceptance(pictures: Sequence[JudgedPicture], share: float, galaxies: Mapping[int, str]) -> NDArray[np.float64]:
    """Return the rate of accepted pictures of each galaxy, shape (g,): verdicts on one galaxy are not independent."""
    verdicts: dict[str, list[bool]] = defaultdict(list)
    for picture in pictures:
        if picture.share == share:
            verdicts[galaxies.get(picture.task, str(picture.task))].append(picture.accepted)
    return np.array([np.mean(values) for values in verdicts.values()], np.float64)


def compare_shares(candidate: NDArray[np.float64], other: NDArray[np.float64]) -> Comparison:
    """Compare the rates of accepted pictures of two shares.

    Parameters
    ----------
    candidate, other : ndarray, shapes (g,) and (h,)
        From `acceptance`.
    """
    from scipy import stats

    tasks, groups = len(candidate) + len(other), min(len(candidate), len(other))
    if groups == 0:
        return Comparison(ComparisonResult.CANNOT_TELL, 0.0, -1.0, 1.0, tasks, groups)
    difference = float(candidate.mean() - other.mean())
    if groups < LEAST_GROUPS:
        return Comparison(ComparisonResult.CANNOT_TELL, difference, -1.0, 1.0, tasks, groups)
    rates = [(float(sample.sum()) + 1) / (len(sample) + 2) for sample in (candidate, other)]
    variances = [rate * (1 - rate) / (len(sample) + 2) for rate, sample in zip(rates, (candidate, other), strict=True)]
    middle, error = rates[0] - rates[1], math.sqrt(sum(variances))
    half, likely_half = (float(stats.norm.ppf((1 + level) / 2)) * error for level in (LEVEL, LIKELY_LEVEL))
    low, high = max(middle - half, -1.0), min(middle + half, 1.0)
    answer = ComparisonResult.BETTER if low > TIE else ComparisonResult.WORSE if high < -TIE else ComparisonResult.CANNOT_TELL
    return Comparison(answer, difference, low, high, tasks, groups, max(middle - likely_half, -1.0))
