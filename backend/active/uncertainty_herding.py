"""Uncertainty herding: a batch that covers the uncertain galaxies of the pool.

Each galaxy of the batch adds the most to the weighted coverage: the sum over the pool of uncertainty times the similarity
to the nearest labelled or selected galaxy. With few labels the kernel is wide and the batch is typical; with many it is narrow,
and the batch is uncertain. A near copy of a selected galaxy adds nothing.

References
----------
Bae, Sutherland & Oliveira (2025), ICLR ("Uncertainty herding: one active learning method for all label budgets").
"""

from __future__ import annotations

import numpy as np

from backend.active.core_set import nearest_similarity
from backend.active.pool import Floats, Indices, Pool

__all__ = ["select"]

ANCHORS = 4_000
"""Largest number of random galaxies over which the coverage is summed."""
CANDIDATES = 4_000
"""Galaxies that may be selected: half by their uncertainty, half at random."""
WIDEST, NARROWEST = 1.0, 0.05
"""Bounds of the kernel's width, as distances between features of length 1."""
LEAST_WEIGHT = 1e-3
"""Weight of a galaxy without uncertainty, as a share of the largest: if all galaxies are certain, the batch is typical."""


def select(pool: Pool, count: int, source: np.random.Generator) -> Indices:
    """Select the batch greedily."""
    if not len(pool):
        return np.zeros(0, np.intp)
    anchors = _sample(len(pool), ANCHORS, source)
    candidates = _candidates(pool.information, source)
    weights = pool.information[anchors] / max(float(pool.information.max()), 1e-12) + LEAST_WEIGHT
    width = _width(pool.labelled_features, pool.features[anchors])
    coverage = _kernel(nearest_similarity(pool.features[anchors], pool.labelled_features), width)
    if not len(pool.labelled_features):
        coverage[:] = 0
    kernel = _kernel(pool.features[candidates] @ pool.features[anchors].T, width)
    return candidates[_greedy(kernel, coverage, weights, min(count, len(candidates)))]


def _greedy(kernel: Floats, coverage: Floats, weights: Floats, count: int) -> Indices:
    """Return the rows of the kernel, shape (c, a), that add most to the coverage of the anchors, one after the other.

    The gain of a row only falls as others are selected, so a row whose old gain is below the best new one need not be computed
    again (Minoux 1978).
    """
    gains = np.maximum(kernel - coverage, 0) @ weights
    fresh = np.zeros(len(gains), int)
    picks: list[int] = []
    while len(picks) < count:
        pick = int(gains.argmax())
        if fresh[pick] < len(picks):
            gains[pick] = np.maximum(kernel[pick] - coverage, 0) @ weights
            fresh[pick] = len(picks)
            continue
        picks.append(pick)
        gains[pick] = -np.inf
        np.maximum(coverage, kernel[pick], out=coverage)
    return np.asarray(picks, np.intp)


def _candidates(information: Floats, source: np.random.Generator) -> Indices:
    if len(information) <= CANDIDATES:
        return np.arange(len(information))
    uncertain = np.argpartition(-information, CANDIDATES // 2)[: CANDIDATES // 2]
    remaining_rows = np.setdiff1d(np.arange(len(information)), uncertain, assume_unique=True)
    return np.concatenate([uncertain, source.choice(remaining_rows, CANDIDATES - len(uncertain), replace=False)])


def _sample(size: int, size_limit: int, source: np.random.Generator) -> Indices:
    return np.arange(size) if size <= size_limit else np.sort(source.choice(size, size_limit, replace=False))


def _width(labelled_rows: Floats, anchors: Floats) -> float:
    """Return the median distance of the anchors to their nearest labelled galaxies; it falls with more labels (section 3.3)."""
    if not len(labelled_rows):
        return WIDEST
    similarity = nearest_similarity(anchors, labelled_rows)
    return float(np.clip(np.median(np.sqrt((2 - 2 * similarity).clip(0, None))), NARROWEST, WIDEST))


def _kernel(similarity: Floats, width: float) -> Floats:
    """Return the Gaussian kernel of the distances between features of length 1, from their cosine similarities."""
    kernel: Floats = np.exp((similarity - 1) / np.float32(width**2))
    return kernel
