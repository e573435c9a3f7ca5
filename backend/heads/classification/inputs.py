"""Checks of the inputs of classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.link import Link
from backend.heads.errors import NotEnoughLabels

__all__ = ["MINIMUM_LABELS", "check_importance", "check_targets", "finite"]

MINIMUM_LABELS = 6

Floats = NDArray[np.float32]


def finite(array: NDArray[np.floating], shape: tuple[int, ...], name: str) -> Floats:
    """Return `array` as float32, if it has this shape (-1: any length) and is finite; else raise ValueError."""
    array = np.asarray(array, dtype=np.float32)
    if array.ndim != len(shape) or any(s not in (-1, f) for s, f in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} must have the shape {shape}, where -1 is any length, not {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} hold a number that is not finite")
    return array


def check_targets(targets: Floats, n: int, classes: Sequence[str], *, link: Link) -> Floats:
    """Check and normalise targets; rows of exclusive classes add up to 1.

    Raises
    ------
    NotEnoughLabels
        With fewer than `MINIMUM_LABELS` galaxies, or where all have the same label.
    ValueError
        If a target is outside [0, 1], or the number of rows is not `n`.
    """
    if len(targets) != n:
        raise ValueError(f"there are {n} embeddings but {len(targets)} targets")
    if n and (targets.min() < 0 or targets.max() > 1):
        raise ValueError(f"targets must lie between 0 and 1, not {targets.min()} to {targets.max()}")
    if n < MINIMUM_LABELS:
        raise NotEnoughLabels(f"there are {n} labelled images, and at least {MINIMUM_LABELS} are needed to train")
    if link.learnable(targets).sum() < link.least_learnable:
        labels = ", ".join(name for name, column in zip(classes, targets.T, strict=True) if column.max() > 0) or "none"
        raise NotEnoughLabels(
            f"all {n} labelled images have the same label ({labels}): at least two different labels are needed"
        )
    return link.normalise(targets)


def check_importance(importance: NDArray[np.floating] | None, n: int) -> Floats:
    """Return the weight of each of n galaxies, normalised to a mean of 1; without `importance`, all weights are 1.

    Raises
    ------
    ValueError
        If a weight is not finite or not above 0, or the shape is not (n,).
    """
    if importance is None:
        return np.ones(n, np.float32)
    counts = finite(importance, (n,), "importance")
    if n and counts.min() <= 0:
        raise ValueError(f"importance must be above 0, not {counts.min()}")
    return cast(Floats, counts / counts.mean()) if n else counts
