"""Statistics of label efficiency: how many labels a curve needs to reach a score, and the uncertainty of that number.

A learning curve is measured at a few rungs, is noisy, and may start above the score or end below it. So it is made monotone by
isotonic regression and interpolated in log n between rungs. If the curve never or always reaches the score, the result is a
bound, and ratios of bounds are bounds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

__all__ = ["Bounds", "auc_samples", "interval", "labels_needed", "ladder", "ratio", "resampled_curves", "resampling_weights"]

RUNGS = (10, 20, 50, 100, 200, 500, 1000, 2000)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a positive number; the number is exact if both are equal.

    Attributes
    ----------
    low, high : float
        0 if there is no lower bound, infinity if there is no upper bound.
    """

    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Return whether both bounds are equal."""
        return self.low == self.high


def ladder(total: int) -> tuple[int, ...]:
    """Return the numbers of labels to measure at when there are `total`: the rungs below, and all."""
    return (*(rung for rung in RUNGS if rung < total), total)


def labels_needed(rungs: Sequence[int], scores: Sequence[float] | Floats, *, target: float) -> Bounds:
    """Return the number of labels at which a learning curve reaches `target`.

    Parameters
    ----------
    rungs : sequence of int
        Numbers of labels, rising.
    scores : sequence of float
        Scores with these labels; they need not rise.
    target : float

    Returns
    -------
    Bounds
        Exact between two rungs (linear in log n); more than the last rung if the curve ends below `target`, at most the
        first rung if it begins at or above `target`.

    Raises
    ------
    ValueError
        If the rungs do not rise, or are not as many as the scores.
    """
    if len(rungs) != len(scores) or not len(rungs):
        raise ValueError(f"there are {len(rungs)} rungs and {len(scores)} scores, but each score belongs to one rung")
    if any(later <= earlier for earlier, later in itertools.pairwise(rungs)):
        raise ValueError(f"rungs must rise, not {tuple(rungs)}")
    curve = isotonic_regression(np.asarray(scores, np.float64))
    hits = np.flatnonzero(curve >= target)
    if not len(hits):
        return Bounds(float(rungs[-1]), math.inf)
    after = int(hits[0])
    if after == 0:
        return Bounds(0.0, float(rungs[0]))
    below, above = math.log(rungs[after - 1]), math.log(rungs[after])
    share = (target - curve[after - 1]) / (curve[after] - curve[after - 1])
    count = math.exp(below + share * (above - below))
    return Bounds(count, count)


def ratio(numerator: Bounds, denominator: Bounds) -> Bounds:
    """Return the bounds of a ratio of two bounded numbers."""
    low = 0.0 if math.isinf(denominator.high) else numerator.low / denominator.high
    high = math.inf if denominator.low == 0 else numerator.high / denominator.low
    return Bounds(low, high)


def interval(samples: Sequence[Bounds], *, level: float = 0.95) -> Bounds:
    """Return the percentile interval of bootstrap samples, wide enough for their bounds."""
    tail = (1 - level) / 2
    # "lower" and "higher" select a sample: interpolation with an infinite sample would give NaN.
    low = np.quantile([sample.low for sample in samples], tail, method="lower")
    high = np.quantile([sample.high for sample in samples], 1 - tail, method="higher")
    return Bounds(float(low), float(high))


def resampling_weights(n: int, *, samples: int, seed: int) -> Floats:
    """Return how often each of n galaxies is drawn, shape (1 + samples, n): once each in the first row, else at random."""
    generator = np.random.default_rng(seed)
    multiplicities = generator.multinomial(n, np.full(n, 1 / n), size=samples)
    return np.vstack([np.ones((1, n)), multiplicities])


def auc_samples(scores: NDArray[np.floating], positive: NDArray[np.bool_], *, weights: Floats) -> Floats:
    """Compute the area under the ROC curve for every row of weights; ties count half.

    Parameters
    ----------
    scores : ndarray, shape (n,)
    positive : ndarray of bool, shape (n,)
    weights : ndarray, shape (b, n)

    Returns
    -------
    ndarray, shape (b,)
        NaN if a row has no weight on the positive or on the negative galaxies.
    """
    order = np.argsort(scores, kind="stable")
    sorted_scores, yes = scores[order], positive[order]
    weights_in_order = weights[:, order].astype(np.float32)  # integers, which float32 represents exactly
    no = np.zeros((len(weights), len(scores) + 1), np.float32)
    np.cumsum(weights_in_order * ~yes, axis=1, out=no[:, 1:])
    # Half of the negatives below a positive and half of those up to it: so a tie counts half.
    below, up_to = (np.searchsorted(sorted_scores, sorted_scores[yes], side=side) for side in ("left", "right"))
    multiplicities = weights_in_order[:, yes]
    beaten = (multiplicities * (no[:, below] + no[:, up_to])).sum(axis=1, dtype=np.float64) / 2
    with np.errstate(invalid="ignore"):
        areas: Floats = beaten / (multiplicities.sum(axis=1, dtype=np.float64) * no[:, -1])
    return areas


def resampled_curves(samples: Floats, *, seed: int) -> Floats:
    """Compute mean learning curves of bootstrap samples over seeds and galaxies together.

    Parameters
    ----------
    samples : ndarray, shape (seeds, rungs, 1 + b)
        Score of each run under each resampling of the test galaxies; the first is without resampling.
    seed : int

    Returns
    -------
    ndarray, shape (1 + b, rungs)
        The first row is the mean over all seeds on all galaxies.
    """
    runs, _, rows = samples.shape
    multiplicities = np.random.default_rng(seed).multinomial(runs, np.full(runs, 1 / runs), size=rows) / runs
    multiplicities[0] = 1 / runs
    curves: Floats = np.einsum("bs,srb->br", multiplicities, samples)
    return curves
