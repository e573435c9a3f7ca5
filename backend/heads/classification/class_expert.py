"""A classifier of blocks, and how well blocks predict held-out galaxies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.block_features import BlockFeatures
from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.links import LEAST_PROBABILITY
from backend.heads.classification.morphology import Morphology
from backend.heads.feature_blocks import IMAGE

__all__ = ["BlockTrial", "ClassExpert", "PlainClasses", "log_probabilities"]

PlainClasses = Morphology | DecisionTree
"""A classifier of one matrix of features."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BlockTrial:
    """How well blocks predict held-out galaxies, compared with the image.

    Attributes
    ----------
    blocks : tuple of str
    galaxies : int
    image_loss, loss : float
        Mean log loss, nats, of the image alone, and of the image and the blocks.
    gain_error : float
        Standard error of the difference between the two.
    used : bool
        Whether any galaxy is predicted with these blocks.
    """

    blocks: tuple[str, ...]
    galaxies: int
    image_loss: float
    loss: float
    gain_error: float
    used: bool


@dataclass(frozen=True, slots=True, eq=False)
class ClassExpert:
    """A classifier of blocks, with the log-probabilities of the image as its offset, or for galaxies without an image."""

    features: BlockFeatures
    head: PlainClasses
    without_image: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it uses; the image is not among them if the folds chose a fit without the offset."""
        alone = self.without_image or (isinstance(self.head, Morphology) and self.head.plan.offset_weight == 0)
        return self.features.blocks if alone else (IMAGE, *self.features.blocks)

    def offset(self, image_probabilities: Floats) -> NDArray[np.float64] | None:
        """Return the offset of the classifier, shape (n, k), for these probabilities by the image."""
        return None if self.without_image else log_probabilities(image_probabilities)


def log_probabilities(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return logarithms of probabilities, as the offset of another classifier."""
    logs: NDArray[np.float64] = np.log(np.clip(probabilities.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
    return logs
