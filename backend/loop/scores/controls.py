"""Scores of a control's model on annotated images, and the calibration of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.calibration import brier_score, expected_calibration_error
from backend.prediction.control_models import ControlModel, Examples, ImageOfTask, Scores
from backend.prediction.control_models.class_targets import leaf_targets
from backend.prediction.image_features import ImageFeatures
from sync.controls.control import Control

__all__ = ["calibration_of", "score_model"]


def score_model(
    model: ControlModel | None, images: Sequence[ImageOfTask], features_of_images: Sequence[ImageFeatures], truth: Examples
) -> Scores:
    """Score a control's model; without a model nothing is predicted and every score is 0.

    Parameters
    ----------
    model : ControlModel or None
    images, features_of_images : sequence of length n
        Images and their features, in the same order.
    truth : Examples
        The annotators' labels of these images and of all others: the error of a number is relative to the spread of all of
        them.

    Returns
    -------
    Scores
        Of n images.
    """
    if model is None or not images:
        return Scores.of_agreement(np.zeros(len(images)))
    return model.score(features_of_images, [truth.labels[image] for image in images], list(truth.labels.values()))


def calibration_of(control: Control, probabilities: NDArray[np.float64], targets: NDArray[np.float64]) -> dict[str, float]:
    """Return the calibration error and the Brier score of predicted probabilities.

    Parameters
    ----------
    control : Control
    probabilities : ndarray, shape (n, k)
        Probability of each of the control's labels; for a taxonomy, of each complete path.
    targets : ndarray, shape (n, k), or (n, m) for a taxonomy with m nodes
        Share of annotators that chose each label or node.

    Returns
    -------
    dict
        Expected calibration error ``ece`` and Brier score ``brier``.
    """
    observations, exclusive = leaf_targets(targets, control), not control.multiple
    return {
        "ece": expected_calibration_error(probabilities, observations, exclusive=exclusive),
        "brier": brier_score(probabilities, observations, exclusive=exclusive),
    }
