"""Scoring: how well a filler agrees with the annotators on each image, between 0 and 1."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.calibration import brier_score, expected_calibration_error
from backend.heads.detection.detected import Detected
from backend.loop.examples.examples import Examples, ImageOfTask
from backend.loop.scores.agreement import class_agreement, matched_boxes, number_agreement
from backend.prediction.control_models import ClassFiller, Filler, NumberFiller, ObjectFiller
from backend.prediction.features import ImageFeatures
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.labelling.config import Control

__all__ = ["Scores", "calibration_of", "score_filler"]

log = logging.getLogger("galaxyloop.scoring")


@dataclass(frozen=True, slots=True)
class Scores:
    """Of n images.

    Attributes
    ----------
    agreement : ndarray, shape (n,)
        Between 0 and 1. Classes: one less the Brier score. Numbers: by the error against the spread. Objects: F1 of boxes.
    predicted, hits : ndarray of int, shape (n,)
        Objects predicted, and drawn ones among them; 0 of other controls.
    probabilities : ndarray, shape (n, k), or None
        Of a control's labels.
    """

    agreement: NDArray[np.float64]
    predicted: NDArray[np.int64]
    hits: NDArray[np.int64]
    probabilities: NDArray[np.float64] | None = None

    def of(self, kept: Sequence[int]) -> Scores:
        """Those of some of the images."""
        index = np.asarray(kept, np.intp)
        probabilities = None if self.probabilities is None else self.probabilities[index]
        return Scores(self.agreement[index], self.predicted[index], self.hits[index], probabilities)


def score_filler(
    filler: Filler | None, images: Sequence[ImageOfTask], features_of_images: Sequence[ImageFeatures], truth: Examples
) -> Scores:
    """Score a control's filler; where there is none, nothing is filled in and every score is 0.

    Parameters
    ----------
    images, observations : sequence
        Of the same pictures, in the same order.
    truth : Examples
        What the annotators said of these images, and of all others: the spread of a number is that of all.
    """
    none = np.zeros(len(images), np.int64)
    if filler is None or not images:
        return Scores(np.zeros(len(images)), none, none)
    if isinstance(filler, ClassFiller):
        embeddings = np.stack([one.embedding for one in features_of_images if one.embedding is not None])
        targets = np.stack([truth.targets[image] for image in images])
        levels = filler.tree.depth if filler.tree else 1
        agreement = class_agreement(filler.shares(embeddings), targets, exclusive=not filler.control.multiple, levels=levels)
        return Scores(agreement, none, none, filler.probabilities(embeddings))
    if isinstance(filler, NumberFiller):
        values = np.array([truth.values[image] for image in images])
        spread = float(np.std(list(truth.values.values())))
        return Scores(number_agreement(filler.values(features_of_images), values, spread=spread), none, none)
    assert isinstance(filler, ObjectFiller)
    drawn = [truth.objects[image] for image in images]
    predicted = [_detected(filler, one) for one in features_of_images]
    hits = np.array([matched_boxes(*both) for both in zip(predicted, drawn, strict=True)], np.int64)
    counts = np.array([len(one) for one in predicted], np.int64)
    both = counts + [len(one) for one in drawn]
    return Scores(np.where(both > 0, 2 * hits / np.maximum(both, 1), 1.0), counts, hits)


def _detected(filler: ObjectFiller, features: ImageFeatures) -> Sequence[Detected]:
    """What a filler detects on an image; nothing on one on which it fails, which counts against it."""
    detected = attempt(lambda: filler.detect(features))
    if isinstance(detected, ImageError):
        log.warning("event=image_not_judged control=%s reason=%r", filler.control.name, str(detected))
        return ()
    return detected


def calibration_of(
    control: Control, probabilities: NDArray[np.float64], targets: NDArray[np.float64], ends: NDArray[np.intp] | None
) -> dict[str, float]:
    """Whether the probabilities of labels, of a taxonomy those of whole paths, are frequencies.

    Parameters
    ----------
    ends : ndarray or None
        Of a taxonomy the nodes that its paths end at.
    """
    wanted, exclusive = targets if ends is None else targets[:, ends], not control.multiple
    return {
        "ece": expected_calibration_error(probabilities, wanted, exclusive=exclusive),
        "brier": brier_score(probabilities, wanted, exclusive=exclusive),
    }
