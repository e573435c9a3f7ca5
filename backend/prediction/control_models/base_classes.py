"""What the shipped classifier predicts for the labels of a control."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.prediction.base_classifier import BaseClassifier
from sync.controls.control import Control
from sync.labelling.matching import match_labels

__all__ = ["base_offset", "base_probabilities"]

LEAST_PROBABILITY = 1e-3
"""Smallest probability that is used as an offset, and the probability of a label that the shipped head does not have."""


def base_probabilities(embeddings: NDArray[np.float32], control: Control, base: BaseClassifier) -> NDArray[np.float64] | None:
    """Return the shipped head's probabilities of a control's labels.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
    control : Control
    base : BaseClassifier
        The shipped head.

    Returns
    -------
    ndarray, shape (n, len(control.labels)), or None
        Probabilities of classes that map to one label are added, and a label without a class has `LEAST_PROBABILITY`. The rows
        of an exclusive control sum to one, or to less if only one label has a class: normalised, that label would always be
        certain. NaN for a galaxy without an image. None if no label has a class.
    """
    logs = base_offset(embeddings, control, base)
    if logs is None:
        return None
    has_image = ~np.isnan(logs).all(axis=1, keepdims=True)
    probabilities: NDArray[np.float64] = np.where(np.isnan(logs) & has_image, LEAST_PROBABILITY, np.exp(logs))
    label_count = len(set(match_labels(base.classes, control).values()))
    return probabilities if control.multiple or label_count == 1 else probabilities / probabilities.sum(axis=1, keepdims=True)


def base_offset(embeddings: NDArray[np.float32], control: Control, base: BaseClassifier) -> NDArray[np.float64] | None:
    """Return the shipped head's log-probabilities, which are the offset of a trained head.

    A trained head adds its own weights. A label that the shipped head does not have must not start from a probability near 0:
    ten examples could not outweigh it.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
        A row of NaN for a galaxy without an image.
    control : Control
    base : BaseClassifier
        The shipped head.

    Returns
    -------
    ndarray, shape (n, len(control.labels)), or None
        NaN for labels that the shipped head does not have, and for galaxies without an image; None if it has none of the
        labels.
    """
    matches = match_labels(base.classes, control)
    if not matches:
        return None
    has_image = ~np.isnan(embeddings).all(axis=1)
    base_predictions = np.full((len(embeddings), len(base.classes)), np.nan)
    if has_image.any():
        base_predictions[has_image] = base.predict(embeddings[has_image])
    position = {label.value: index for index, label in enumerate(control.labels)}
    offsets: NDArray[np.float64] = np.zeros((len(embeddings), len(control.labels)))
    for index, name in enumerate(base.classes):
        if name in matches:
            offsets[:, position[matches[name]]] += base_predictions[:, index]
    columns = sorted({position[label] for label in matches.values()})
    logs: NDArray[np.float64] = np.full(offsets.shape, np.nan)
    logs[:, columns] = np.log(np.clip(offsets[:, columns], LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
    return logs
