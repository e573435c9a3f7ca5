"""Score one head of a control on images; refit it where an image is in, or next to, its training set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from backend.heads import EmbeddedHead, Head
from backend.heads.feature_blocks import NO_BLOCKS
from backend.loop.examples.held_out import Sides
from backend.loop.gate.decision import EncoderSwitch
from backend.loop.scores.controls import score_model
from backend.loop.training.cross_validation import FoldPlan, assign_folds
from backend.loop.training.refit import Refits
from backend.prediction.control_models import ControlModel, Scores, create_models, model_class
from backend.prediction.control_models.examples import Examples, ImageOfTask
from backend.prediction.image_features import ImageFeatures
from backend.prediction.live import LivePredictors
from backend.prediction.project_heads import ProjectHeads
from sync.labelling.config import Control

__all__ = ["ComparedHead", "HeadScorer", "find_switch", "model_of"]

UNREADABLE = "it cannot be read"


@dataclass(frozen=True)
class ComparedHead:
    """One of the heads of a control that are compared.

    Attributes
    ----------
    head : Head or None
        None is the shipped head.
    training_set : Examples
        Training set of the head; empty for the shipped head.
    """

    head: Head | None = None
    training_set: Examples = field(default_factory=Examples)


def find_switch(candidate: ComparedHead, live: ComparedHead, *, default_encoder: str) -> EncoderSwitch:
    """Return whether a candidate's head stands on another encoder than the live one, and why; the shipped head has none.

    Parameters
    ----------
    candidate, live : ComparedHead
    default_encoder : str
        Fingerprint of the encoder that a project is trained on without a choice by a user; empty if a user has chosen one.
    """
    if not isinstance(candidate.head, EmbeddedHead) or not isinstance(live.head, EmbeddedHead):
        return EncoderSwitch.NONE
    if candidate.head.encoder == live.head.encoder:
        return EncoderSwitch.NONE
    return EncoderSwitch.RELEASE if candidate.head.encoder == default_encoder else EncoderSwitch.CHOSEN


class HeadScorer:
    """Refits and scores the compared heads of one control; refits on equal training sets are computed once."""

    def __init__(self, predictors: LivePredictors, control: Control, truth: Examples, sides: Sides) -> None:
        self._predictors, self._control = predictors, control
        self._truth, self._sides = truth, sides
        self.refits = Refits(predictors, control)
        # Images of folds without which too few labels remain to fit a head; they are not scored.
        self.not_fitted: set[ImageOfTask] = set()

    def group(self, image: ImageOfTask) -> str:
        return self._sides.galaxies.get(image.task, str(image.task))

    def select_scorable(self, images: Sequence[ImageOfTask], compared_heads: Sequence[ComparedHead]) -> list[ImageOfTask]:
        """Return the images that can be read, and those whose tasks any of the heads predicts without the image."""
        objects = model_class(self._control).finds_objects
        features_of_images = self.refits.extract_features(
            [self._truth.references[image] for image in images], embed=not objects, pyramid=objects
        )
        readable = {image for image, features in zip(images, features_of_images, strict=True) if features is not None}
        unreadable = [image for image in images if image not in readable]
        models = [model_of(self._predictors, self._control, each.head) for each in compared_heads]
        predictable = set[ImageOfTask]()
        for model in models:
            if unreadable and model is not None and model.blocks_without_image:
                answers = model.predict_regions(self._features(model, unreadable))
                predictable |= {image for image, answer in zip(unreadable, answers, strict=True) if answer.regions}
        return [image for image in images if image in readable or image in predictable]

    def find_training_images(self, compared_head: ComparedHead, images: Sequence[ImageOfTask]) -> NDArray[np.bool_]:
        """Return which images, or neighbours of them, are in the training set of a head, shape (n,)."""
        tasks = {image.task for image in compared_head.training_set.references}
        return np.array([not tasks.isdisjoint({image.task} | self._neighbours(image.task)) for image in images], bool)

    def assign_folds(
        self,
        images: Sequence[ImageOfTask],
        groups: Sequence[str],
        is_resampled: NDArray[np.bool_],
        plan: FoldPlan,
        *,
        seed: int,
    ) -> NDArray[np.intp]:
        """Return the fold of each image, shape (n,); -1 for an image that is in no head's training set."""
        fold = np.full(len(images), -1, np.intp)
        refitted_places = np.flatnonzero(is_resampled)
        if len(refitted_places):
            strata = [self._stratum(images[index]) for index in refitted_places]
            fold[refitted_places] = assign_folds(
                [groups[index] for index in refitted_places], strata, folds=plan.folds, seed=seed
            )
        return fold

    def score(
        self, compared_head: ComparedHead, images: Sequence[ImageOfTask], is_trained: NDArray[np.bool_], fold: NDArray[np.intp]
    ) -> Scores:
        parts: list[tuple[NDArray[np.intp], Head | None]] = [(np.flatnonzero(~is_trained), compared_head.head)]
        for number in np.unique(fold[is_trained]):
            inside = np.flatnonzero(is_trained & (fold == number))
            left_out = {images[index].task for index in np.flatnonzero(fold == number)}
            left_out |= {other for task in left_out for other in self._neighbours(task)}
            head = self.refits.fit(compared_head.training_set.without_tasks(left_out), like=compared_head.head)
            if head is None:
                self.not_fitted |= {images[index] for index in inside}
            parts.append((inside, head))
        agreement, object_counts, hits = np.zeros(len(images)), np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
        probabilities: NDArray[np.float64] | None = None
        numbers: NDArray[np.float64] | None = None
        for inside, head in parts:
            if not len(inside):
                continue
            scored_images = [images[index] for index in inside]
            model = model_of(self._predictors, self._control, head)
            scores = score_model(model, scored_images, self._features(model, scored_images), self._truth)
            agreement[inside], object_counts[inside], hits[inside] = scores.agreement, scores.predicted_counts, scores.hits
            if scores.probabilities is not None:
                if probabilities is None:
                    probabilities = np.zeros((len(images), scores.probabilities.shape[1]))
                probabilities[inside] = scores.probabilities
            if scores.numbers is not None:
                numbers = np.full((len(images), scores.numbers.shape[1]), np.nan) if numbers is None else numbers
                numbers[inside] = scores.numbers
        return Scores(agreement, object_counts, hits, probabilities, numbers)

    def _neighbours(self, task: int) -> frozenset[int]:
        return self._sides.neighbours.get(task, frozenset())

    def _stratum(self, image: ImageOfTask) -> str:
        labels = self._truth.labels
        return model_class(self._control).stratum(labels[image], list(labels.values()))

    def _features(self, model: ControlModel | None, images: Sequence[ImageOfTask]) -> list[ImageFeatures]:
        references = [self._truth.references[image] for image in images]
        if model is None or not model.finds_objects:
            blocks = [self._truth.blocks.get(image, NO_BLOCKS) for image in images]
            return [
                ImageFeatures.without_image(own, reason=UNREADABLE)
                if (features := self.refits.features_of(reference)) is None
                else replace(features, blocks=own)
                for reference, own in zip(references, blocks, strict=True)
            ]
        settings = model.needs_sources
        features_of_images = self._predictors.extractor.extract_features(
            references, embed=False, extractions=[settings] if settings else [], pyramid=model.needs_pyramid
        )
        # An image that has become unreadable meanwhile counts as an image without detections.
        blank = {settings: ()} if settings else {}
        return [
            features if isinstance(features, ImageFeatures) else replace(self._read_before(reference), sources=blank)
            for features, reference in zip(features_of_images, references, strict=True)
        ]

    def _read_before(self, reference: str) -> ImageFeatures:
        features = self.refits.features_of(reference)
        assert features is not None, "only images that could be read are scored for objects"
        return features


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
    models = create_models(
        [control],
        heads,
        base=predictors.base,
        masks=predictors.base_masks,
        detector=predictors.base_detector,
    )
    return models[0] if models else None
