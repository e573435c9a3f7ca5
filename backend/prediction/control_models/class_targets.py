"""Targets of heads for classes: the shares of annotators, and a head fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.classification.questions import QuestionTree
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models.base_classes import base_offset
from sync.controls.control import Control

__all__ = ["fit_classes", "leaf_targets", "make_target"]


def make_target(votes: Sequence[Any], control: Control) -> NDArray[np.float64] | None:
    """Return the share of annotators that chose each label of Choices, shape (k,), or each node of a Taxonomy, shape (m,).

    Parameters
    ----------
    votes : sequence
        For each annotator the chosen labels, or the chosen paths of a Taxonomy.
    control : Control

    Returns
    -------
    ndarray or None
        None if no chosen label is in the labelling config.
    """
    if control.paths:
        target = QuestionTree.of(control.paths).shares(votes, exclusive=not control.multiple)
    else:
        target = _shares(votes, control)
    return target if target.any() else None


def fit_classes(
    embeddings: NDArray[np.float32], targets: NDArray[np.float64], *, control: Control, base: BaseClassifier, encoder: str
) -> Morphology | DecisionTree:
    """Fit the head of a control that holds classes, with the shipped head's log-probabilities for the same images as offset.

    Parameters
    ----------
    embeddings : ndarray, shape (n, d)
    targets : ndarray, shape (n, k), or (n, m) for a taxonomy with m nodes
        Share of annotators that chose each label or node.
    control : Control
    base : BaseClassifier
        The shipped head.
    encoder : str
        Fingerprint of the encoder whose columns of the embeddings the head reads.

    Raises
    ------
    NotEnoughLabels
    """
    offset = base_offset(embeddings, control, base)
    exclusive, own_embeddings = not control.multiple, base.read(embeddings, encoder)
    if control.paths:
        tree = DecisionTree.fit(own_embeddings, targets, paths=control.paths, exclusive=exclusive, offset=offset)
        return replace(tree, encoder=encoder)
    classes = [label.value for label in control.labels]
    return replace(
        Morphology.fit(own_embeddings, targets, classes=classes, exclusive=exclusive, offset=offset), encoder=encoder
    )


def leaf_targets(targets: NDArray[np.float64], control: Control) -> NDArray[np.float64]:
    """Return the columns of targets that belong to the control's labels.

    Parameters
    ----------
    targets : ndarray, shape (n, k), or (n, m) for a taxonomy with m nodes
    control : Control

    Returns
    -------
    ndarray, shape (n, k)
        For a taxonomy the columns of its leaves.
    """
    return targets[:, np.array(QuestionTree.of(control.paths).ends)] if control.paths else targets


def _shares(votes: Sequence[Sequence[str]], control: Control) -> NDArray[np.float64]:
    """Return the share of annotators that chose each label, shape (k,)."""
    position = {label.value: index for index, label in enumerate(control.labels)}
    target = np.zeros(len(control.labels))
    for vote in votes:
        names = [name for name in vote if name in position]
        for name in names:
            target[position[name]] += 1 / (len(votes) * (1 if control.multiple else len(names)))
    return target
