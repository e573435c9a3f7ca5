"""Verdicts of annotators on restored pictures: which control asks for them, and what it says of each picture."""

from __future__ import annotations

from collections.abc import Iterable

from backend.heads.restoration.share import SHARES, JudgedPicture
from backend.heads.restoration.shipped import network_fingerprint
from sync.controls import ANSWERS
from sync.controls.kind import Kind
from sync.errors.controls import ControlError
from sync.label_studio.annotations import Annotation
from sync.labelling.config import Control, LabelConfig
from sync.labelling.reading import read_region

__all__ = [
    "ACCEPTED",
    "RESTORED_BY",
    "RESTORED_KEY",
    "SHARE_KEY",
    "WEIGHTS_KEY",
    "find_verdict_control",
    "read_judged_pictures",
    "read_project_verdicts",
]

RESTORED_KEY = "restored"
"""Key of a task's data with the reference of its restored picture."""
RESTORED_BY, SHARE_KEY, WEIGHTS_KEY = "restored_by", "restored_share", "restored_weights"
ACCEPTED = "Better"
"""Choice of an annotator who accepts a restored picture."""


def find_verdict_control(config: LabelConfig) -> Control | None:
    """Return the control that asks whether a restored picture is better; None if a config has none.

    It is the first Choices control with one answer that has the choice `ACCEPTED`, in a config that shows `RESTORED_KEY`.
    """
    if RESTORED_KEY not in config.image_key.values():
        return None
    return next(
        (
            control
            for control in config.controls
            if _is_choice(control) and any(ACCEPTED in label.names for label in control.labels)
        ),
        None,
    )


def _is_choice(control: Control) -> bool:
    """Return whether annotators choose one of several labels for the whole image."""
    codec = ANSWERS.get(control.tag)
    return codec is not None and codec.KIND is Kind.CLASSES and not codec.NESTED and not control.multiple


def read_judged_pictures(annotations: Iterable[Annotation], control: Control, *, weights: str) -> list[JudgedPicture]:
    """Read the verdicts on pictures that were drawn by one network.

    Parameters
    ----------
    annotations : iterable of Annotation
    control : Control
        From `find_verdict_control`.
    weights : str
        Fingerprint of the network; verdicts on pictures of another one say nothing about it.

    Returns
    -------
    list of JudgedPicture
        One for each annotation with a verdict on a picture whose share is known; pictures of earlier releases have none.
    """
    accepted_names = {name for label in control.labels if ACCEPTED in label.names for name in label.names}
    pictures = []
    for annotation in annotations:
        share = annotation.data.get(SHARE_KEY)
        if share not in SHARES or annotation.data.get(WEIGHTS_KEY) != weights:
            continue
        for region in annotation.result:
            if region.get("from_name") != control.name:
                continue
            try:
                answer = read_region(region, control)
            except ControlError:  # `examples` lists the annotation as unreadable
                continue
            pictures.append(JudgedPicture(annotation.task_id, float(share), not accepted_names.isdisjoint(answer)))
    return pictures


def read_project_verdicts(annotations: Iterable[Annotation], config: LabelConfig) -> list[JudgedPicture]:
    """Read the verdicts on pictures that the shipped network drew; none if the config does not ask for verdicts."""
    control = find_verdict_control(config)
    return [] if control is None else read_judged_pictures(annotations, control, weights=network_fingerprint())
