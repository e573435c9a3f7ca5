"""Cross-validation: how training images are dealt into folds, by groups and with the classes in equal parts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Plan", "deal_folds", "plan_of_classes", "plan_of_objects"]

MOST_FOLDS, FOLDS = 10, 5
FEW, SOME = 20, 60
"""Groups. Of fewer than `FEW`, as many folds as there are groups, up to `MOST_FOLDS`: heads that learn from far fewer labels
than the candidate would be worse than it is. Up to `SOME`, two repetitions: more labels say enough in one."""
FEW_IMAGES = 12
"""Annotated images up to which object heads are refitted three times, and beyond it twice: a refit costs seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Folds and repetitions of a cross-validation."""

    folds: int
    repeats: int


def plan_of_classes(groups: int) -> Plan | None:
    """Plan for heads whose refit costs a tenth of a second; None where there is nothing to leave out."""
    if groups < 2:
        return None
    return Plan(min(groups, MOST_FOLDS) if groups < FEW else FOLDS, 2 if groups <= SOME else 1)


def plan_of_objects(groups: int) -> Plan | None:
    """Plan for heads that find objects."""
    return None if groups < 2 else Plan(min(groups, 3 if groups <= FEW_IMAGES else 2), 1)


def deal_folds(groups: Sequence[Hashable], strata: Sequence[Hashable], *, folds: int, seed: int) -> NDArray[np.intp]:
    """Deal images into folds.

    Parameters
    ----------
    groups : sequence
        Of each image; a group is dealt as a whole.
    strata : sequence
        Of each image: what the folds hold in equal parts.
    folds, seed : int

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
    shuffled = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    sizes = Counter(kind.values())
    # One stratum after the other, the rarest first, dealt on where the one before ended: folds differ by one group at most.
    order = sorted(shuffled, key=lambda group: (sizes[kind[group]], str(kind[group])))
    fold = np.empty(len(groups), np.intp)
    for position, group in enumerate(order):
        fold[members[group]] = position % folds
    return fold
