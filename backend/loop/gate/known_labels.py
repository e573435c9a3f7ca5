"""Find the labels that the candidate's head was trained on and that the live head cannot predict."""

from __future__ import annotations

from backend.loop.gate.head_scorer import ComparedHead
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import model_class
from sync.controls.control import Control

__all__ = ["new_labels"]


def new_labels(base: BaseClassifier, control: Control, candidate: ComparedHead, live: ComparedHead) -> tuple[str, ...]:
    """Return the labels that the candidate has examples of and that neither the live head nor the shipped one can predict.

    Parameters
    ----------
    base : BaseClassifier
        The shipped classifier: a head that was trained on top of it can still predict its classes.
    control : Control
    candidate, live : ComparedHead
    """
    if candidate.head is None:
        return ()
    model = model_class(control)
    known_names = _labels(control, live) | model.shipped_names(control, base)
    new_names = _labels(control, candidate) - known_names
    return tuple(label for label in model.label_names(control) if label in new_names)


def _labels(control: Control, compared_head: ComparedHead) -> set[str]:
    """Return the labels in the training set of a head."""
    model = model_class(control)
    return {name for label in compared_head.training_set.labels.values() for name in model.names_in(label, control)}
