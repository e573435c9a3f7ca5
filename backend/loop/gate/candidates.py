"""Score a control's candidate head, live head and shipped head on the same images.

A head is scored as it is on images that are neither in its training set nor neighbours of an image in it. For every other
image, a head is refitted in the same way on the training set without the image's cross-validation fold and the neighbours of
that fold, and the refitted head is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from backend.heads import Head
from backend.loop.examples.held_out import Sides
from backend.loop.scores.controls import score_model
from backend.loop.training.cross_validation import Plan, deal_folds, plan_of_classes, plan_of_objects
from backend.loop.training.refit import MOST_OBJECT_IMAGES, Refits
from backend.prediction.control_models import ControlModel, Scores, create_models, model_class
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.features import ImageFeatures
from backend.prediction.live import LivePredictors
from backend.prediction.project_heads import ProjectHeads
from sync.labelling.config import Control

__all__ = ["AUDIT_ENOUGH", "CandidateScores", "ComparedHead", "model_of", "score_candidates"]

AUDIT_ENOUGH = 30
"""Number of held-out groups from which on only held-out images are scored: they are a sample of the whole project, and need no
refit."""
MOST_JUDGED = 300
"""Largest number of held-out images, and of others, that heads for classes and numbers are scored on: highest task ids."""


@dataclass(frozen=True)
class ComparedHead:
    """One of the heads of a control that are compared.

    Attributes
    ----------
    head : Head or None
        None is the shipped head.
    learned : Examples
        Training set of the head; empty for the shipped head.
    """

    head: Head | None = None
    learned: Examples = field(default_factory=Examples)


@dataclass(frozen=True)
class CandidateScores:
    """Scores of the compared heads on the same n images.

    Attributes
    ----------
    images : tuple of ImageOfTask, length n
    groups : tuple of str, length n
        Name of the galaxy or file that each image shows.
    resampled : ndarray of bool, shape (n,)
        True for images in, or next to, the training set of at least one head; such a head is scored there by cross-validation.
    plan : Plan
        Folds and repetitions of the cross-validation.
    scores : tuple of tuple of Scores
        For each head, in the order given to `score_candidates`, the scores of each repetition.
    """

    images: tuple[ImageOfTask, ...]
    groups: tuple[str, ...]
    resampled: NDArray[np.bool_]
    plan: Plan
    scores: tuple[tuple[Scores, ...], ...]

    def agreement(self, compared_head: int) -> NDArray[np.float64]:
        """Return the agreement scores of the head at an index, shape (repetitions, n)."""
        return np.stack([one.agreement for one in self.scores[compared_head]])


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
    scorer = _HeadScorer(predictors, control, truth, sides)
    images = scorer.readable(_judging(truth, compared_heads, sides, objects=model_class(control).finds_objects))
    if not images:
        return None
    touched = [scorer.touched(one, images) for one in compared_heads]
    resampled = np.any(touched, axis=0)
    left_out = len({scorer.group(image) for image, again in zip(images, resampled, strict=True) if again})
    plan = (plan_of_objects if model_class(control).finds_objects else plan_of_classes)(left_out)
    if plan is None:  # at most one group needs refits, and cannot be divided into folds: score only the other images
        plan, images = Plan(1, 1), [image for image, again in zip(images, resampled, strict=True) if not again]
        touched = [scorer.touched(one, images) for one in compared_heads]
        resampled = np.zeros(len(images), bool)
        if not images:
            return None
    groups = tuple(scorer.group(image) for image in images)
    folds = [scorer.deal(images, groups, resampled, plan, seed=repeat) for repeat in range(plan.repeats)]
    scores = tuple(
        tuple(scorer.score(one, images, seen, fold) for fold in folds)
        for one, seen in zip(compared_heads, touched, strict=True)
    )
    kept = [index for index, image in enumerate(images) if image not in scorer.not_fitted]
    if not kept:
        return None
    scores = tuple(tuple(one.of(kept) for one in repeated) for repeated in scores)
    images, groups, resampled = [images[i] for i in kept], tuple(groups[i] for i in kept), resampled[kept]
    return CandidateScores(tuple(images), groups, resampled, plan, scores)


def _judging(truth: Examples, compared_heads: Sequence[ComparedHead], sides: Sides, *, objects: bool) -> list[ImageOfTask]:
    """Select the images to score on: held-out ones and, if these are fewer than `AUDIT_ENOUGH` groups, others too."""
    answered = truth.labels
    most = MOST_OBJECT_IMAGES if objects else MOST_JUDGED
    held_out = sorted(image for image in answered if image.task in sides.held_out)
    groups = {sides.galaxies.get(image.task, str(image.task)) for image in held_out}
    if len(groups) >= AUDIT_ENOUGH:
        return held_out[-max(most, AUDIT_ENOUGH) :]
    others = sorted(image for image in answered if image.task not in sides.held_out | sides.set_aside)
    return held_out[-most:] + others[-most:]


class _HeadScorer:
    """Refits and scores the compared heads of one control; refits on equal training sets are computed once."""

    def __init__(self, predictors: LivePredictors, control: Control, truth: Examples, sides: Sides) -> None:
        self._predictors, self._control = predictors, control
        self._truth, self._sides = truth, sides
        self.refits = Refits(predictors, control)
        # Images of folds without which too few labels remain to fit a head; they are not scored.
        self.not_fitted: set[ImageOfTask] = set()

    def group(self, image: ImageOfTask) -> str:
        return self._sides.galaxies.get(image.task, str(image.task))

    def readable(self, images: Sequence[ImageOfTask]) -> list[ImageOfTask]:
        objects = model_class(self._control).finds_objects
        seen = self.refits.extract_features(
            [self._truth.references[image] for image in images], embed=not objects, look=objects
        )
        return [image for image, one in zip(images, seen, strict=True) if one is not None]

    def touched(self, compared_head: ComparedHead, images: Sequence[ImageOfTask]) -> NDArray[np.bool_]:
        """Return which images, or neighbours of them, are in the training set of a head, shape (n,)."""
        tasks = {image.task for image in compared_head.learned.references}
        return np.array([not tasks.isdisjoint({image.task} | self._neighbours(image.task)) for image in images], bool)

    def deal(
        self, images: Sequence[ImageOfTask], groups: Sequence[str], resampled: NDArray[np.bool_], plan: Plan, *, seed: int
    ) -> NDArray[np.intp]:
        """Return the fold of each image, shape (n,); -1 for an image that is in no head's training set."""
        fold = np.full(len(images), -1, np.intp)
        again = np.flatnonzero(resampled)
        if len(again):
            strata = [self._stratum(images[index]) for index in again]
            fold[again] = deal_folds([groups[index] for index in again], strata, folds=plan.folds, seed=seed)
        return fold

    def score(
        self, compared_head: ComparedHead, images: Sequence[ImageOfTask], touched: NDArray[np.bool_], fold: NDArray[np.intp]
    ) -> Scores:
        parts: list[tuple[NDArray[np.intp], Head | None]] = [(np.flatnonzero(~touched), compared_head.head)]
        for number in np.unique(fold[touched]):
            inside = np.flatnonzero(touched & (fold == number))
            away = {image.task for image in (images[index] for index in np.flatnonzero(fold == number))}
            away |= {other for task in away for other in self._neighbours(task)}
            head = self.refits.fit(compared_head.learned.without_tasks(away), like=compared_head.head)
            if head is None:
                self.not_fitted |= {images[index] for index in inside}
            parts.append((inside, head))
        agreement, predicted, hits = np.zeros(len(images)), np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
        probabilities: NDArray[np.float64] | None = None
        for inside, head in parts:
            if not len(inside):
                continue
            some = [images[index] for index in inside]
            model = model_of(self._predictors, self._control, head)
            scores = score_model(model, some, self._features(model, some), self._truth)
            agreement[inside], predicted[inside], hits[inside] = scores.agreement, scores.predicted, scores.hits
            if scores.probabilities is not None:
                if probabilities is None:
                    probabilities = np.zeros((len(images), scores.probabilities.shape[1]))
                probabilities[inside] = scores.probabilities
        return Scores(agreement, predicted, hits, probabilities)

    def _neighbours(self, task: int) -> frozenset[int]:
        return self._sides.neighbours.get(task, frozenset())

    def _stratum(self, image: ImageOfTask) -> str:
        labels = self._truth.labels
        return model_class(self._control).stratum(labels[image], list(labels.values()))

    def _features(self, model: ControlModel | None, images: Sequence[ImageOfTask]) -> list[ImageFeatures]:
        references = [self._truth.references[image] for image in images]
        if model is None or not model.finds_objects:
            return [self.refits.seen(reference) for reference in references]
        settings = model.needs_sources
        seen = self._predictors.extractor.extract_features(
            references, embed=False, extractions=[settings] if settings else [], look=model.needs_look
        )
        # An image that has become unreadable meanwhile counts as an image without detections.
        blank = {settings: ()} if settings else {}
        return [
            one if isinstance(one, ImageFeatures) else replace(self.refits.seen(reference), sources=blank)
            for one, reference in zip(seen, references, strict=True)
        ]


def model_of(predictors: LivePredictors, control: Control, head: Head | None) -> ControlModel | None:
    """Return the model of a control with a head.

    Parameters
    ----------
    predictors : LivePredictors
    control : Control
    head : Head or None
        None is the shipped head.

    Returns
    -------
    ControlModel or None
        None if there is no trained head and the shipped heads cannot predict the control.
    """
    heads = predictors.usable(ProjectHeads({} if head is None else {control.name: head}))
    made = create_models(
        [control],
        heads,
        base=predictors.base_morphology,
        masks=predictors.base_masks,
        detector=predictors.base_detector,
    )
    return made[0] if made else None
