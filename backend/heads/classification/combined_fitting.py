"""Fits a classifier of image and blocks: cross-validation chooses between the image alone and the image with blocks."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.class_expert import BlockTrial, ClassExpert, PlainClasses
from backend.heads.classification.combined import CombinedClasses
from backend.heads.classification.labelled_images import LabelledImages, fit_expert
from backend.heads.classification.offset import label_rates
from backend.heads.classification.plan_choice import find_simplest, tolerance
from backend.heads.errors import NotEnoughLabels
from backend.heads.feature_table import FeatureTable

__all__ = ["fit_combined"]

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

FEWEST_GALAXIES = 12
"""Labelled galaxies with blocks from which on these are compared with the image."""


def fit_combined(images: LabelledImages, table: FeatureTable) -> PlainClasses | CombinedClasses:
    """Fit a classifier.

    Sets of blocks are compared with the image by the rule of `choose_plan`, on galaxies that neither was fitted to: of all
    methods that are not clearly worse than the best, the simplest is chosen, and the image alone is the simplest. For galaxies
    without an image, they are compared with the frequencies of the classes.

    Parameters
    ----------
    images : LabelledImages
        The classifier on embeddings is fitted to those that have one.
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
    readable_images = images.only(np.flatnonzero(images.inputs.has_image))
    image = readable_images.fit_image()
    if not table.blocks and not table.left_out:
        return image
    head = _fit_with_image(readable_images, image, table)
    experts, choices = _fit_without_image(images, table)
    first = len(head.experts)
    return replace(
        head,
        experts=(*head.experts, *experts),
        choices_without_image={blocks: first + index for blocks, index in choices.items()},
    )


def _fit_with_image(images: LabelledImages, image: PlainClasses, table: FeatureTable) -> CombinedClasses:
    """Fit the experts of galaxies with an image, and choose among them."""
    subsets, rows_of = _subsets(images, table)
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
            expert, answers = fit_expert(images, table, subset, rows, image_answers)
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


def _fit_without_image(
    images: LabelledImages, table: FeatureTable
) -> tuple[tuple[ClassExpert, ...], dict[frozenset[str], int]]:
    """Fit the experts of galaxies without an image, and choose the blocks that predict better than the frequencies of classes.

    Return the chosen experts, and the blocks that a galaxy has to the index of its expert.
    """
    subsets, rows_of = _subsets(images, table)
    all_losses: dict[tuple[str, ...], Floats] = {(): _frequency_losses(images)}
    experts: dict[tuple[str, ...], ClassExpert] = {}
    for subset in subsets:
        rows = rows_of[subset]
        if len(rows) < FEWEST_GALAXIES:
            continue
        try:
            expert, answers = fit_expert(images, table, subset, rows, None)
        except NotEnoughLabels:
            continue
        experts[subset] = expert
        all_losses[subset] = np.full(len(images.targets), np.nan, np.float32)
        all_losses[subset][rows] = images.losses(answers, rows)
    # A galaxy whose blocks were not compared together is predicted from those of them that were.
    choices = {
        frozenset(subset): _choose(subset, rows_of[subset], all_losses) if subset in experts else () for subset in subsets
    }
    for subset in subsets:
        if subset not in experts:
            choices[frozenset(subset)] = next(
                (blocks for smaller, blocks in choices.items() if smaller < set(subset) and blocks), ()
            )
    subsets_used = list(dict.fromkeys(blocks for blocks in choices.values() if blocks))
    return tuple(experts[blocks] for blocks in subsets_used), {
        blocks: subsets_used.index(subset) for blocks, subset in choices.items() if subset
    }


def _subsets(images: LabelledImages, table: FeatureTable) -> tuple[list[tuple[str, ...]], dict[tuple[str, ...], Rows]]:
    """Return all sets of blocks, the smallest first, and the rows of the images that have them."""
    present = {block: table.present(images.inputs.blocks, block) for block in table.blocks}
    subsets = [subset for size in range(1, len(present) + 1) for subset in combinations(table.blocks, size)]
    return subsets, {subset: np.flatnonzero(np.logical_and.reduce([present[block] for block in subset])) for subset in subsets}


def _frequency_losses(images: LabelledImages) -> Floats:
    """Return the log loss of each image by the frequencies of the classes in the other folds, shape (n,)."""
    losses = np.zeros(len(images.targets), np.float32)
    for fold in np.unique(images.folds):
        test, train = np.flatnonzero(images.folds == fold), images.folds != fold
        rates = label_rates(images.leaves[train], np.ones(int(train.sum()), np.float32), offset=None, link=images.link)
        losses[test] = images.losses(images.link.probabilities(np.tile(rates, (len(test), 1))), test)
    return losses


def _choose(available: tuple[str, ...], rows: Rows, losses: dict[tuple[str, ...], Floats]) -> tuple[str, ...]:
    """Return the blocks that predict galaxies with the available blocks; empty for the image alone."""
    usable = [blocks for blocks in losses if set(blocks) <= set(available)]
    index = find_simplest([losses[blocks][rows] for blocks in usable], tolerance(len(rows)))
    return usable[index]
