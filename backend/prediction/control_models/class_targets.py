"""Targets of heads for classes: the shares of annotators, and a head fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.heads.classification.class_expert import PlainClasses
from backend.heads.classification.column_choice import choose_class_features
from backend.heads.classification.combined import CombinedClasses
from backend.heads.classification.combined_fitting import fit_combined
from backend.heads.classification.fit_classes import DecisionTreeFit, FitClasses, MorphologyFit
from backend.heads.classification.labelled_images import LabelledImages
from backend.heads.classification.links import link_of
from backend.heads.classification.questions import QuestionTree
from backend.heads.inputs import HeadInputs
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
    inputs: HeadInputs, targets: NDArray[np.float64], *, control: Control, base: BaseClassifier, encoder: str
) -> PlainClasses | CombinedClasses:
    """Fit the head of a control that holds classes, with the shipped head's log-probabilities for the same images as offset.

    Parameters
    ----------
    inputs : HeadInputs
        Of n images.
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
    labels = [label.value for label in control.labels]
    exclusive = not control.multiple
    fit: FitClasses = (
        DecisionTreeFit(control.paths, exclusive, encoder) if control.paths else MorphologyFit(labels, exclusive, encoder)
    )
    images = LabelledImages(
        base.read_inputs(inputs, encoder),
        targets,
        fit=fit,
        offset=base_offset(inputs.embeddings, control, base),
        leaf_targets=partial(leaf_targets, control=control),
        link=link_of(exclusive=exclusive),
    )
    table = choose_class_features(inputs.blocks, images.leaves, control=control.name, labels=labels)
    return fit_combined(images, table)


def leaf_targets(targets: NDArray[np.floating], control: Control) -> NDArray[np.floating]:
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
