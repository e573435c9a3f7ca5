"""Fits a classifier of image and blocks: cross-validation chooses between the image alone and the image with blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.block_features import BlockFeatures
from backend.heads.classification.combined import (
    BlockTrial,
    ClassExpert,
    CombinedClasses,
    PlainClasses,
    log_probabilities,
)
from backend.heads.classification.link import Link
from backend.heads.classification.plan_choice import assign_folds, find_simplest, tolerance
from backend.heads.errors import NotEnoughLabels
from backend.heads.feature_table import FeatureTable
from backend.heads.inputs import HeadInputs

__all__ = ["FitClasses", "LabelledImages", "fit_combined"]

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

FEWEST_GALAXIES = 12
"""Labelled galaxies with blocks from which on these are compared with the image."""
MOST_IMAGES_OF_A_TASK = 10
"""More images with equal columns show different galaxies, such as those with one flag."""


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


def fit_combined(images: LabelledImages, table: FeatureTable) -> PlainClasses | CombinedClasses:
    """Fit a classifier.

    Sets of blocks are compared with the image by the rule of `choose_plan`, on galaxies that neither was fitted to: of all
    methods that are not clearly worse than the best, the simplest is chosen, and the image alone is the simplest.

    Parameters
    ----------
    images : LabelledImages
    table : FeatureTable
        The features of the labelled images.

    Returns
    -------
    Morphology, DecisionTree or CombinedClasses
        Without any block, the classifier on embeddings.

    Raises
    ------
    NotEnoughLabels
        If the labels are too few for the classifier on embeddings.
    """
    image = images.fit_image()
    if not table.blocks and not table.left_out:
        return image
    present = {block: table.present(images.inputs.blocks, block) for block in table.blocks}
    subsets = [subset for size in range(1, len(present) + 1) for subset in combinations(table.blocks, size)]
    rows_of = {subset: np.flatnonzero(np.logical_and.reduce([present[block] for block in subset])) for subset in subsets}
    compared_subsets = [subset for subset in subsets if len(rows_of[subset]) >= FEWEST_GALAXIES]
    if not compared_subsets:
        return CombinedClasses(image, table)
    try:
        image_answers = images.held_out(image)
    except NotEnoughLabels:
        return CombinedClasses(image, table)
    n = len(images.targets)
    all_losses: dict[tuple[str, ...], Floats] = {(): images.losses(image_answers, np.arange(n))}
    experts: dict[tuple[str, ...], ClassExpert] = {}
    trials: dict[tuple[str, ...], BlockTrial] = {}
    for subset in compared_subsets:
        rows = rows_of[subset]
        try:
            expert, answers = _fit_expert(images, table, subset, rows, image_answers)
        except NotEnoughLabels:
            continue
        losses = np.full(n, np.nan, np.float32)
        losses[rows] = images.losses(answers, rows)
        experts[subset], all_losses[subset] = expert, losses
        gain = all_losses[()][rows] - losses[rows]
        error = float(gain.std(ddof=1)) / np.sqrt(len(rows))
        means = float(all_losses[()][rows].mean()), float(losses[rows].mean())
        trials[subset] = BlockTrial(subset, len(rows), *means, gain_error=float(error), used=False)
    choice_by_subset: dict[frozenset[str], tuple[str, ...]] = {}
    for subset in subsets:
        # Too few galaxies have all of these blocks: they are predicted as galaxies with some of them.
        parts = [blocks for smaller, blocks in choice_by_subset.items() if smaller < set(subset) and blocks]
        choice_by_subset[frozenset(subset)] = (
            _choose(subset, rows_of[subset], all_losses) if subset in compared_subsets else next(iter(parts), ())
        )
    subsets_used = list(dict.fromkeys(subset for subset in choice_by_subset.values() if subset))
    return CombinedClasses(
        image,
        table,
        tuple(experts[subset] for subset in subsets_used),
        {blocks: subsets_used.index(subset) for blocks, subset in choice_by_subset.items() if subset},
        tuple(replace(trial, used=trial.blocks in subsets_used) for trial in trials.values()),
    )


def _fit_expert(
    images: LabelledImages, table: FeatureTable, blocks: Sequence[str], rows: Rows, image_answers: Floats
) -> tuple[ClassExpert, Floats]:
    """Fit an expert to the galaxies at `rows`; return it, and their probabilities by fits without their folds, shape (r, k).

    The hyperparameters are the best ones and not the simplest: whether blocks are better than the image is tested afterwards.
    """
    blocks_of_rows = images.inputs.only(rows).blocks
    offset, targets, folds = log_probabilities(image_answers[rows]), images.targets[rows], images.folds[rows]
    answers = np.zeros((len(rows), images.leaves.shape[1]), np.float32)
    for fold in np.unique(folds):
        test, train = folds == fold, folds != fold
        block_features = BlockFeatures.fit(table, blocks, [blocks_of_rows[row] for row in np.flatnonzero(train)])
        matrix = block_features.read(table, blocks_of_rows)
        head = images.fit(matrix[train], targets[train], offset=offset[train], caution=0.0)
        answers[test] = head.predict(matrix[test], offset=offset[test])
    block_features = BlockFeatures.fit(table, blocks, blocks_of_rows)
    return ClassExpert(
        block_features, images.fit(block_features.read(table, blocks_of_rows), targets, offset=offset, caution=0.0)
    ), answers


def _choose(available: tuple[str, ...], rows: Rows, losses: dict[tuple[str, ...], Floats]) -> tuple[str, ...]:
    """Return the blocks that predict galaxies with the available blocks; empty for the image alone."""
    usable = [blocks for blocks in losses if set(blocks) <= set(available)]
    index = find_simplest([losses[blocks][rows] for blocks in usable], tolerance(len(rows)))
    return usable[index]


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
