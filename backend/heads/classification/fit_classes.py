"""Fits of one classifier: the protocol that combined classifiers call, for labels and for the paths of a taxonomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.heads import storage
from backend.heads.classification.class_expert import PlainClasses
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology

__all__ = ["DecisionTreeFit", "FitClasses", "MorphologyFit"]


class FitClasses(Protocol):
    """Fits a classifier of one matrix of features."""

    def __call__(
        self,
        features: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        offset: NDArray[np.floating] | None,
        like: PlainClasses | None = None,
        caution: float = 1.0,
    ) -> PlainClasses:
        """Fit to features, shape (n, d); `like` has the hyperparameters to use, and `caution` is that of `choose_plan`."""
        ...


@dataclass(frozen=True, slots=True)
class MorphologyFit:
    """Fits a `Morphology`; the attributes are arguments of `Morphology.fit`, and the encoder that the head reads."""

    classes: Sequence[str]
    exclusive: bool
    encoder: str = storage.FIRST_ENCODER

    def __call__(
        self,
        features: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        offset: NDArray[np.floating] | None,
        like: PlainClasses | None = None,
        caution: float = 1.0,
    ) -> PlainClasses:
        """Fit as `FitClasses` describes."""
        plan = like.plan if isinstance(like, Morphology) else None
        head = Morphology.fit(
            features, targets, classes=self.classes, exclusive=self.exclusive, offset=offset, caution=caution, plan=plan
        )
        return replace(head, encoder=self.encoder)


@dataclass(frozen=True, slots=True)
class DecisionTreeFit:
    """Fits a `DecisionTree`; the attributes are as in `MorphologyFit`, and `paths` are all paths that annotators can choose."""

    paths: Sequence[Sequence[str]]
    exclusive: bool
    encoder: str = storage.FIRST_ENCODER

    def __call__(
        self,
        features: NDArray[np.floating],
        targets: NDArray[np.floating],
        *,
        offset: NDArray[np.floating] | None,
        like: PlainClasses | None = None,
        caution: float = 1.0,
    ) -> PlainClasses:
        """Fit as `FitClasses` describes."""
        other = like if isinstance(like, DecisionTree) else None
        tree = DecisionTree.fit(
            features, targets, paths=self.paths, exclusive=self.exclusive, offset=offset, caution=caution, like=other
        )
        return replace(tree, encoder=self.encoder)
