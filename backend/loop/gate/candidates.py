"""Score a control's candidate head, live head and shipped head on the same images.

A head is scored as it is on images that are neither in its training set nor neighbours of an image in it. For every other
image, a head is refitted in the same way on the training set without the image's cross-validation fold and the neighbours of
that fold, and the refitted head is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.loop.examples.held_out import Sides
from backend.loop.gate.head_scorer import ComparedHead, HeadScorer
from backend.loop.training.cross_validation import FoldPlan, plan_of_classes, plan_of_objects
from backend.loop.training.refit import MOST_OBJECT_IMAGES
from backend.prediction.control_models import Scores, model_class
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.live import LivePredictors
from sync.labelling.config import Control

__all__ = ["ENOUGH_HELD_OUT", "CandidateScores", "score_candidates"]

ENOUGH_HELD_OUT = 30
"""Number of held-out groups from which on only held-out images are scored: they are a sample of the whole project, and need no
refit."""
MOST_IMAGES = 300
"""Largest number of held-out images, and of others, that heads for classes and numbers are scored on: highest task ids."""


@dataclass(frozen=True)
class CandidateScores:
    """Scores of the compared heads on the same n images.

    Attributes
    ----------
    images : tuple of ImageOfTask, length n
    groups : tuple of str, length n
        Name of the galaxy or file that each image shows.
    is_resampled : ndarray of bool, shape (n,)
        True for images in, or next to, the training set of at least one head; such a head is scored there by cross-validation.
    plan : FoldPlan
        Folds and repetitions of the cross-validation.
    scores : tuple of tuple of Scores
        For each head, in the order given to `score_candidates`, the scores of each repetition.
    """

    images: tuple[ImageOfTask, ...]
    groups: tuple[str, ...]
    is_resampled: NDArray[np.bool_]
    plan: FoldPlan
    scores: tuple[tuple[Scores, ...], ...]

    def agreement(self, compared_head: int) -> NDArray[np.float64]:
        """Return the agreement scores of the head at an index, shape (repetitions, n)."""
        return np.stack([scores.agreement for scores in self.scores[compared_head]])


def score_candidates(
    predictors: LivePredictors,
    control: Control,
    compared_heads: Sequence[ComparedHead],
    truth: Examples,
    sides: Sides,
) -> CandidateScores | None:
    """Score the heads of a control on the same images.

    Parameters
    ----------
    predictors : LivePredictors
    control : Control
    compared_heads : sequence of ComparedHead
    truth : Examples
        Current labels of all annotated images.
    sides : Sides
        Held-out tasks, tasks that are set aside, and the neighbours of each task.

    Returns
    -------
    CandidateScores or None
        None if there is no image that every head can be scored on.
    """
    scorer = HeadScorer(predictors, control, truth, sides)
    images = scorer.select_scorable(_select_images(truth, sides, objects=model_class(control).finds_objects), compared_heads)
    if not images:
        return None
    is_trained = [scorer.find_training_images(head, images) for head in compared_heads]
    is_resampled = np.any(is_trained, axis=0)
    left_out = len({scorer.group(image) for image, is_refitted in zip(images, is_resampled, strict=True) if is_refitted})
    plan = (plan_of_objects if model_class(control).finds_objects else plan_of_classes)(left_out)
    if plan is None:  # at most one group needs refits, and cannot be divided into folds: score only the other images
        plan, images = (
            FoldPlan(1, 1),
            [image for image, is_refitted in zip(images, is_resampled, strict=True) if not is_refitted],
        )
        is_trained = [scorer.find_training_images(head, images) for head in compared_heads]
        is_resampled = np.zeros(len(images), bool)
        if not images:
            return None
    groups = tuple(scorer.group(image) for image in images)
    folds = [scorer.assign_folds(images, groups, is_resampled, plan, seed=repeat) for repeat in range(plan.repeats)]
    scores = tuple(
        tuple(scorer.score(head, images, trained_images, fold) for fold in folds)
        for head, trained_images in zip(compared_heads, is_trained, strict=True)
    )
    places = [index for index, image in enumerate(images) if image not in scorer.not_fitted]
    if not places:
        return None
    scores = tuple(tuple(repetition.of(places) for repetition in repetitions) for repetitions in scores)
    images, groups, is_resampled = [images[i] for i in places], tuple(groups[i] for i in places), is_resampled[places]
    return CandidateScores(tuple(images), groups, is_resampled, plan, scores)


def _select_images(truth: Examples, sides: Sides, *, objects: bool) -> list[ImageOfTask]:
    """Select the images to score on: held-out ones and, if these are fewer than `ENOUGH_HELD_OUT` groups, others too."""
    labels_of_images = truth.labels
    most = MOST_OBJECT_IMAGES if objects else MOST_IMAGES
    held_out = sorted(image for image in labels_of_images if image.task in sides.held_out)
    groups = {sides.galaxies.get(image.task, str(image.task)) for image in held_out}
    if len(groups) >= ENOUGH_HELD_OUT:
        return held_out[-max(most, ENOUGH_HELD_OUT) :]
    others = sorted(image for image in labels_of_images if image.task not in sides.held_out | sides.set_aside)
    return held_out[-most:] + others[-most:]
