"""Cross-validation: assign images to folds, whole groups at a time and stratified by class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FoldPlan", "assign_folds", "plan_of_classes", "plan_of_objects"]

MOST_FOLDS, FOLDS = 10, 5
FEW, SOME = 20, 60
"""Numbers of groups. Fewer than `FEW` give as many folds as groups, up to `MOST_FOLDS`: heads that are trained on far fewer
labels than the candidate would be worse than it. Up to `SOME` there are two repetitions; with more groups one is precise
enough."""
FEW_IMAGES = 12
"""Largest number of groups with three folds for object heads; with more there are two, since a refit takes seconds."""


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Number of folds and of repetitions of a cross-validation."""

    folds: int
    repeats: int


def plan_of_classes(groups: int) -> FoldPlan | None:
    """Plan the cross-validation of heads for classes and numbers, whose refits are fast; None for fewer than 2 groups."""
    if groups < 2:
        return None
    return FoldPlan(min(groups, MOST_FOLDS) if groups < FEW else FOLDS, 2 if groups <= SOME else 1)


def plan_of_objects(groups: int) -> FoldPlan | None:
    """Plan the cross-validation of heads that find objects; None for fewer than 2 groups."""
    return None if groups < 2 else FoldPlan(min(groups, 3 if groups <= FEW_IMAGES else 2), 1)


def assign_folds(groups: Sequence[Hashable], strata: Sequence[Hashable], *, folds: int, seed: int) -> NDArray[np.intp]:
    """Assign images to folds.

    Parameters
    ----------
    groups : sequence of length n
        Group of each image; all images of a group are in the same fold.
    strata : sequence of length n
        Stratum of each image; each fold has about the same share of each stratum.
    folds : int
        Number of folds.
    seed : int
        Seed of the random order of groups.

    Returns
    -------
    ndarray of int, shape (n,)
        The fold of each image.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    kind = {group: Counter(strata[index] for index in inside).most_common(1)[0][0] for group, inside in members.items()}
    names = list(members)
    shuffled_names = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    sizes = Counter(kind.values())
    # The groups are assigned in turn, sorted by stratum, the rarest first: the sizes of folds differ by at most one group.
    order = sorted(shuffled_names, key=lambda group: (sizes[kind[group]], str(kind[group])))
    fold = np.empty(len(groups), np.intp)
    for position, group in enumerate(order):
        fold[members[group]] = position % folds
    return fold
