"""Labelled images with their folds, and the fit of a classifier of blocks to them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.block_features import BlockFeatures
from backend.heads.classification.class_expert import ClassExpert, PlainClasses, log_probabilities
from backend.heads.classification.fit_classes import FitClasses
from backend.heads.classification.link import Link
from backend.heads.classification.plan_choice import assign_folds
from backend.heads.feature_table import FeatureTable
from backend.heads.inputs import HeadInputs

__all__ = ["LabelledImages", "fit_expert"]

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

MOST_IMAGES_OF_A_TASK = 10
"""More images with equal columns show different galaxies, such as those with one flag."""


class LabelledImages:
    """Labelled images with their folds, and the probabilities of each by a classifier on embeddings of the other folds.

    Parameters
    ----------
    inputs : HeadInputs
        Of n images.
    targets : ndarray, shape (n, m)
        Targets as `fit` takes them.
    fit : FitClasses
    offset : ndarray, shape (n, k), or None
        Offset of the classifier on embeddings.
    leaf_targets : callable
        From targets to the share of annotators that chose each class, shape (n, k).
    link : Link
    """

    def __init__(
        self,
        inputs: HeadInputs,
        targets: NDArray[np.floating],
        *,
        fit: FitClasses,
        offset: NDArray[np.floating] | None,
        leaf_targets: Callable[[NDArray[np.floating]], NDArray[np.floating]],
        link: Link,
    ) -> None:
        self.inputs, self.targets, self.fit, self.offset = inputs, targets, fit, offset
        self.leaves = np.asarray(leaf_targets(targets), np.float32)
        self.link = link
        self.folds = _join_equal(assign_folds(self.leaves, link=link, seed=0), inputs)

    def only(self, rows: Rows) -> LabelledImages:
        """Return the images at these rows, in the same folds."""
        part = copy.copy(self)
        part.inputs, part.targets, part.leaves = self.inputs.only(rows), self.targets[rows], self.leaves[rows]
        part.offset = None if self.offset is None else self.offset[rows]
        part.folds = self.folds[rows]
        return part

    def fit_image(self) -> PlainClasses:
        """Fit the classifier on embeddings of all images."""
        return self.fit(self.inputs.embeddings, self.targets, offset=self.offset)

    def held_out(self, image: PlainClasses) -> Floats:
        """Return the probabilities of each image by a fit like `image` to the other folds, shape (n, k).

        Raises
        ------
        NotEnoughLabels
            If the images outside a fold are too few.
        """
        probabilities = np.zeros(self.leaves.shape, np.float32)
        for fold in np.unique(self.folds):
            test, train = self.folds == fold, self.folds != fold
            offsets = (None, None) if self.offset is None else (self.offset[train], self.offset[test])
            head = self.fit(self.inputs.embeddings[train], self.targets[train], offset=offsets[0], like=image)
            probabilities[test] = head.predict(self.inputs.embeddings[test], offset=offsets[1])
        return probabilities

    def losses(self, probabilities: Floats, rows: Rows) -> Floats:
        """Return the log loss of the images at `rows`, shape (r,), from their probabilities, shape (r, k)."""
        targets = self.leaves[rows]
        is_answered = targets.sum(axis=1) > 0
        return np.where(is_answered, self.link.log_loss(probabilities, targets), 0).astype(np.float32)


def fit_expert(
    images: LabelledImages, table: FeatureTable, blocks: Sequence[str], rows: Rows, image_answers: Floats | None
) -> tuple[ClassExpert, Floats]:
    """Fit an expert to the galaxies at `rows`; return it, and their probabilities by fits without their folds, shape (r, k).

    It starts from the probabilities of the image in `image_answers`, shape (n, k), unless that is None. The hyperparameters
    are the best ones and not the simplest: whether blocks are better than the image is tested afterwards.
    """
    blocks_of_rows = images.inputs.only(rows).blocks
    targets, folds = images.targets[rows], images.folds[rows]
    offset = None if image_answers is None else log_probabilities(image_answers[rows])
    answers = np.zeros((len(rows), images.leaves.shape[1]), np.float32)
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        block_features = BlockFeatures.fit(table, blocks, [blocks_of_rows[row] for row in np.flatnonzero(train)])
        matrix = block_features.read(table, blocks_of_rows)
        offsets = (None, None) if offset is None else (offset[train], offset[test])
        head = images.fit(matrix[train], targets[train], offset=offsets[0], caution=0.0)
        answers[test] = head.predict(matrix[test], offset=offsets[1])
    block_features = BlockFeatures.fit(table, blocks, blocks_of_rows)
    head = images.fit(block_features.read(table, blocks_of_rows), targets, offset=offset, caution=0.0)
    return ClassExpert(block_features, head, without_image=offset is None), answers


def _join_equal(folds: Rows, inputs: HeadInputs) -> Rows:
    """Return the folds of images, with one fold for the images of a task, which have the same columns and spectrum."""
    places: dict[object, list[int]] = {}
    for index, blocks in enumerate(inputs.blocks):
        values = tuple((name, tuple(block.values.items())) for name, block in blocks.items() if block.values)
        places.setdefault(values or index, []).append(index)
    joined_folds = folds.copy()
    for images in places.values():
        if len(images) <= MOST_IMAGES_OF_A_TASK:
            joined_folds[images] = folds[images[0]]
    return joined_folds
