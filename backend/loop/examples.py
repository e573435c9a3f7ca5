"""Examples: what annotators said, control by control and image by image, in the heads' own terms.

Several annotators of one task become a soft label (classes) or a mean (numbers); of objects the newest annotation counts, since
outlines cannot be averaged. A region that cannot be read is logged and left out, and the rest of its annotation is used.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.gallery import reference_of
from backend.heads.questions import QuestionTree
from backend.project_heads import SHAPES
from backend.regions import box_of_mask
from sync.annotations import Annotation
from sync.controls import CONTROLS
from sync.controls.errors import ControlError
from sync.controls.polygonlabels import rasterise
from sync.controls.shapes import Box, Ellipse, Labelled, Polygon
from sync.labelconfig import Control, LabelConfig

__all__ = ["DrawnObject", "Examples", "ImageOfTask", "gather_examples"]

log = logging.getLogger("galaxyloop.examples")


@dataclass(frozen=True, order=True, slots=True)
class ImageOfTask:
    """One image of a task: of its Image tag called `to_name`, the page at this index (0 where the tag has no pages)."""

    task: int
    to_name: str
    page: int = 0


@dataclass(frozen=True)
class DrawnObject:
    """An object as an annotator drew it: its upright box in pixels, and its mask where it has one."""

    label: str
    box: Box
    mask: NDArray[np.bool_] | None


@dataclass
class Examples:
    """Labels of one control, image by image.

    Attributes
    ----------
    references : dict
        Image to its reference, as the task's data have it; empty where they have none.
    targets : dict
        Image to soft labels: of Choices the share of annotators that chose each label, shape (k,); of a Taxonomy the share
        that came through each node of its `QuestionTree`, shape (m,).
    values : dict
        Image to the value of a Number.
    objects : dict
        Image to the objects drawn.
    """

    references: dict[ImageOfTask, str] = field(default_factory=dict)
    targets: dict[ImageOfTask, NDArray[np.float64]] = field(default_factory=dict)
    values: dict[ImageOfTask, float] = field(default_factory=dict)
    objects: dict[ImageOfTask, list[DrawnObject]] = field(default_factory=dict)


def gather_examples(annotations: Sequence[Annotation], config: LabelConfig, controls: Sequence[Control]) -> dict[str, Examples]:
    """Sort the annotations' regions by control.

    Parameters
    ----------
    annotations : sequence of Annotation
        Of a snapshot: submitted, not empty, ordered by task.
    controls : sequence of Control
        Those to learn.

    Returns
    -------
    dict
        Control's name to its examples.
    """
    gathered: dict[str, Examples] = {control.name: Examples() for control in controls}
    votes: dict[str, dict[ImageOfTask, list[Any]]] = {control.name: defaultdict(list) for control in controls}
    for annotation in annotations:
        for control in controls:
            regions = [_read(region, control, annotation) for region in annotation.result if _belongs(region, control)]
            said = [one for one in regions if one is not None]
            if said or control.tag in SHAPES:
                image = ImageOfTask(annotation.task_id, control.to_name)
                gathered[control.name].references[image] = reference_of(annotation.data, config.image_key[image.to_name])
                votes[control.name][image].append((annotation.updated_at, said))
    for control in controls:
        examples = gathered[control.name]
        soft_label = _soft_label_of(control)
        for image, said_by in votes[control.name].items():
            if control.tag == "Number":
                examples.values[image] = float(np.mean([said[0] for _, said in said_by]))
            elif control.tag in SHAPES:
                newest = max(said_by, key=lambda one: one[0])[1]
                examples.objects[image] = newest
            else:
                target = soft_label([said[0] for _, said in said_by])
                if target.any():  # else all that was chosen has left the labelling config since
                    examples.targets[image] = target
    return gathered


def _belongs(region: Mapping[str, Any], control: Control) -> bool:
    return region.get("from_name") == control.name and region.get("type") == control.tag.lower()


def _read(region: dict[str, Any], control: Control, annotation: Annotation) -> Any:
    try:
        read = CONTROLS[control.tag].decode(region)
        return _drawn(read, control) if control.tag in SHAPES else read
    except ControlError as error:
        log.warning(
            "event=region_left_out task=%d annotation=%d control=%s reason=%r",
            annotation.task_id, annotation.id, control.name, str(error),
        )  # fmt: skip
        return None


def _drawn(read: Labelled[Any], control: Control) -> DrawnObject:
    if all(label.value != read.label for label in control.labels):
        raise ControlError(f"the label {read.label!r} is not in the labelling config")
    shape = read.shape
    if isinstance(shape, Box):
        return DrawnObject(read.label, _upright(shape), None)
    if isinstance(shape, Ellipse):
        return DrawnObject(read.label, _around(shape), None)
    mask = rasterise(shape, read.size) if isinstance(shape, Polygon) else shape
    if not mask.any():
        raise ControlError("the mask is empty")
    return DrawnObject(read.label, box_of_mask(mask), mask)


def _upright(box: Box) -> Box:
    """The upright box around a turned one."""
    angle = np.radians(box.rotation)
    across = np.array([np.cos(angle), np.sin(angle)]) * box.width
    down = np.array([-np.sin(angle), np.cos(angle)]) * box.height
    corners = np.array([box.x, box.y]) + np.array([0 * across, across, down, across + down])
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    return Box(float(left), float(top), float(right - left), float(bottom - top))


def _around(ellipse: Ellipse) -> Box:
    """The upright box around an ellipse."""
    angle = np.radians(ellipse.rotation)
    half_width = float(np.hypot(ellipse.radius_x * np.cos(angle), ellipse.radius_y * np.sin(angle)))
    half_height = float(np.hypot(ellipse.radius_x * np.sin(angle), ellipse.radius_y * np.cos(angle)))
    return Box(ellipse.x - half_width, ellipse.y - half_height, 2 * half_width, 2 * half_height)


def _soft_label_of(control: Control) -> Callable[[Sequence[Any]], NDArray[np.float64]]:
    """What makes a soft label of what each annotator chose."""
    if control.tag == "Taxonomy" and control.paths:
        return partial(QuestionTree.of(control.paths).shares, exclusive=not control.multiple)
    return partial(_shares, control=control)


def _shares(said_by: Sequence[Sequence[str]], *, control: Control) -> NDArray[np.float64]:
    """The share of annotators that chose each label."""
    position = {label.value: index for index, label in enumerate(control.labels)}
    target = np.zeros(len(control.labels))
    for said in said_by:
        known = [name for name in said if name in position]
        for name in known:
            target[position[name]] += 1 / (len(said_by) * (1 if control.multiple else len(known)))
    return target
