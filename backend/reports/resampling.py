"""95 % intervals of scores: a bootstrap over galaxies.

Images of the same galaxy are not independent, so galaxies are resampled and not images. A resample is a row of weights, the
number of times that each image was drawn; so a score is computed for all resamples at once.

References
----------
Efron & Tibshirani (1993), "An introduction to the bootstrap", chapter 13: percentile intervals. Davison & Hinkley (1997),
"Bootstrap methods and their application", section 3.8: resampling of groups.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.reports.estimate import Estimate

__all__ = ["FEWEST_GROUPS", "Score", "draw_weights", "estimate", "estimate_of"]

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]
"""Weights of images, shape (r, n), to the score of each row, shape (r,); NaN where a row has no score."""

SAMPLES = 500
LEVEL = 0.95
FEWEST_GROUPS = 5
"""With fewer galaxies the interval cannot be estimated (as in the gate)."""
LEAST_DEFINED = 0.5
"""Smallest share of resamples that have a score: for example a resample without a rare class has no AUC of it."""


def draw_weights(groups: Sequence[Hashable], *, samples: int = SAMPLES, seed: int = 0) -> Floats:
    """Draw resamples of groups.

    Parameters
    ----------
    groups : sequence, length n
        Galaxy of each image.
    samples : int
        Number of resamples.
    seed : int

    Returns
    -------
    ndarray, shape (1 + samples, n)
        Weight of each image; ones in the first row.
    """
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    count = len(places)
    counts = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=samples) if count else ()
    members = np.array([places[group] for group in groups], np.intp)
    weights = np.ones((1 + samples, len(members)))
    if count:
        weights[1:] = np.asarray(counts)[:, members]
    return weights


def estimate(score: Score, groups: Sequence[Hashable]) -> Estimate | None:
    """Return a score with its 95 % interval; None if the images have no score.

    Parameters
    ----------
    score : callable
    groups : sequence, length n
        Galaxy of each image.
    """
    if not len(groups):
        return None
    return estimate_of(score(draw_weights(groups)), groups=len(set(groups)))


def estimate_of(values: Floats, *, groups: int, level: float = LEVEL) -> Estimate | None:
    """Return the estimate from the score of all images and those of the resamples, shape (1 + samples,).

    The bounds are None with fewer than `FEWEST_GROUPS` galaxies, or if most resamples have no score.
    """
    value, samples = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value):
        return None
    if groups < FEWEST_GROUPS or len(samples) < LEAST_DEFINED * (len(values) - 1):
        return Estimate(value=value)
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))
