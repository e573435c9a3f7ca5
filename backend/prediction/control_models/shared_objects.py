"""Boxes and masks of the same objects: if a config has controls for both, one head detects the objects of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.prediction.project_heads import ProjectHeads
from sync.controls import BOXES, MASKS
from sync.labelling.config import Control
from sync.labelling.matching import read_label

__all__ = ["SharedObjects", "shared_objects"]


@dataclass(frozen=True, slots=True)
class SharedObjects:
    """Which head detects the objects of a control.

    Attributes
    ----------
    owner : Control
        The control whose head detects the objects of both controls.
    labels : mapping
        The owner's labels to this control's; objects with other labels are left out.
    mask_labels : frozenset of str
        The owner's labels that the mask control has too.
    """

    owner: Control
    labels: Mapping[str, str]
    mask_labels: frozenset[str]


def shared_objects(controls: Sequence[Control], heads: ProjectHeads) -> dict[str, SharedObjects]:
    """Pair each mask control with the first unpaired box control of its image.

    The owner of a pair has every label of the other control; if both do, it is the one with a trained head, the mask control
    first. Two controls of which neither has all labels of the other hold different objects, and are not paired.

    Parameters
    ----------
    controls : sequence of Control
    heads : ProjectHeads
        The trained heads.

    Returns
    -------
    dict
        Name of each paired control to the source of its objects.
    """
    objects_of: dict[str, SharedObjects] = {}
    for mask in (control for control in controls if control.tag in MASKS and control.labels):
        candidates = (control for control in controls if control.tag in BOXES and control.labels)
        boxes = next((each for each in candidates if each.to_name == mask.to_name and each.name not in objects_of), None)
        if boxes is None:
            continue
        pair = (mask, boxes)
        owners = [owner for owner, other in (pair, pair[::-1]) if len(_translate(other, owner)) == len(other.labels)]
        if not owners:
            continue
        owner = next((each for each in owners if each.name in heads.by_control), owners[0])
        mask_labels = frozenset(_translate(owner, mask))
        objects_of |= {control.name: SharedObjects(owner, _translate(owner, control), mask_labels) for control in pair}
    return objects_of


def _translate(source: Control, target: Control) -> dict[str, str]:
    """Return the labels of `source` that `target` has too, with its names for them: the same name, an alias or a synonym."""
    if source == target:
        return {label.value: label.value for label in source.labels}
    translations = {
        label.value: next(filter(None, (read_label(name, target) for name in label.names)), None) for label in source.labels
    }
    return {value: own_label for value, own_label in translations.items() if own_label is not None}
