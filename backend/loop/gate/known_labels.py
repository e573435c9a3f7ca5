"""Known labels: which labels a head has learned that the live one does not know."""

from __future__ import annotations

from backend.heads.classification.morphology import Morphology
from backend.heads.classification.questions import QuestionTree
from backend.loop.gate.candidates import ComparedHead
from sync.controls import OBJECTS
from sync.labelling.config import Control
from sync.labelling.matching import match_labels

__all__ = ["new_labels"]


def new_labels(base: Morphology, control: Control, candidate: ComparedHead, live: ComparedHead) -> tuple[str, ...]:
    """Labels with examples among what the candidate learned from that neither the live head nor the shipped one knows.

    Parameters
    ----------
    base : Morphology
        The shipped classifier, whose classes a live head still knows that was trained on top of it.
    """
    if candidate.head is None:
        return ()
    known = _labels(control, live) | _shipped(base, control)
    return tuple(label for label in _names(control) if label in _labels(control, candidate) - known)


def _labels(control: Control, compared_head: ComparedHead) -> set[str]:
    """Labels that a contender has examples of."""
    names, learned = _names(control), compared_head.learned
    answered = {names[index] for target in learned.targets.values() for index in target.nonzero()[0]}
    return answered | {one.label for drawn in learned.objects.values() for one in drawn}


def _shipped(base: Morphology, control: Control) -> set[str]:
    """Labels that the shipped heads know: what they detect is of a control's first label."""
    if control.tag in OBJECTS:
        return {label.value for label in control.labels[:1]}
    matched = set(match_labels(base.classes, control).values())
    if control.tag != "Taxonomy":
        return matched
    ends = QuestionTree.of(control.paths).ends
    names = _names(control)
    return {names[end] for label, end in zip(control.labels, ends, strict=True) if label.value in matched}


def _names(control: Control) -> list[str]:
    """Of the columns of a control's targets."""
    if control.tag == "Taxonomy" and control.paths:
        return ["/".join(node) for node in QuestionTree.of(control.paths).nodes]
    return [label.value for label in control.labels]
