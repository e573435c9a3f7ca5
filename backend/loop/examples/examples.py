"""Examples: what annotators said, control by control and image by image, in the heads' own terms.

Several annotators of one task become a soft label (classes) or a mean (numbers); of objects the newest annotation counts, since
outlines cannot be averaged. An annotation that cannot be read for a control is left out of that control's examples, and with it
its task where nobody else annotated it. Objects are in pixels of the picture itself, whatever size their regions state.
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

from backend.heads.classification.questions import QuestionTree
from backend.loop.examples.answers import read_regions, regions_of
from backend.loop.examples.drawn_objects import DrawnObject, draw_objects
from sync.controls import OBJECTS
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.geometry.shapes import Size
from sync.label_studio.annotations import Annotation
from sync.label_studio.task_images import images_of_control, reference_of_image
from sync.labelling.config import Control, LabelConfig

__all__ = ["Examples", "ImageOfTask", "SizesOf", "gather_examples"]

log = logging.getLogger("galaxyloop.examples")


@dataclass(frozen=True, order=True, slots=True)
class ImageOfTask:
    """One image of a task: of its Image tag called `to_name`, the page at this index (0 where the tag has no pages)."""

    task: int
    to_name: str
    page: int = 0


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
        Image to the objects drawn, in the picture's own pixels.
    """

    references: dict[ImageOfTask, str] = field(default_factory=dict)
    targets: dict[ImageOfTask, NDArray[np.float64]] = field(default_factory=dict)
    values: dict[ImageOfTask, float] = field(default_factory=dict)
    objects: dict[ImageOfTask, list[DrawnObject]] = field(default_factory=dict)


SizesOf = Callable[[Sequence[str]], Sequence[Size | None]]
"""From references to the sizes of pictures, (width, height) in pixels; None of those that cannot be read."""


def gather_examples(
    annotations: Sequence[Annotation], config: LabelConfig, controls: Sequence[Control], *, sizes_of: SizesOf
) -> dict[str, Examples]:
    """Sort the annotations' regions by control.

    Parameters
    ----------
    annotations : sequence of Annotation
        Of a snapshot: submitted, not empty, ordered by task.
    controls : sequence of Control
        Those to learn.
    sizes_of : callable
        Looks up pictures; called for those on which something was drawn.

    Returns
    -------
    dict
        Control's name to its examples.
    """
    gathered: dict[str, Examples] = {control.name: Examples() for control in controls}
    votes: dict[str, dict[ImageOfTask, list[Any]]] = {control.name: defaultdict(list) for control in controls}
    sizes = _sizes(annotations, config, controls, sizes_of)
    for annotation in annotations:
        for control in controls:
            read = attempt(partial(_read, annotation, control, config, sizes))
            if isinstance(read, ImageError):
                log.warning(
                    "event=annotation_not_read task=%d annotation=%d control=%s reason=%r",
                    annotation.task_id, annotation.id, control.name, str(read),
                )  # fmt: skip
                continue
            for image, (reference, on_image) in read.items():
                gathered[control.name].references[image] = reference
                votes[control.name][image].append((annotation.updated_at, on_image))
    for control in controls:
        examples = gathered[control.name]
        soft_label = _soft_label_of(control)
        for image, said_by in votes[control.name].items():
            if control.tag == "Number":
                examples.values[image] = float(np.mean([said[0] for _, said in said_by]))
            elif control.tag in OBJECTS:
                newest = max(said_by, key=lambda one: one[0])[1]
                examples.objects[image] = newest
            else:
                target = soft_label([said[0] for _, said in said_by])
                if target.any():
                    examples.targets[image] = target
    return gathered


def _sizes(
    annotations: Sequence[Annotation], config: LabelConfig, controls: Sequence[Control], sizes_of: SizesOf
) -> dict[str, Size | None]:
    """Look up the sizes of the pictures on which something may have been drawn."""
    shapes = {control.name: control for control in controls if control.tag in OBJECTS}
    drawn_on = {
        reference_of_image(annotation.data, config, image): None
        for annotation in annotations
        for name in dict.fromkeys(str(region.get("from_name")) for region in annotation.result)
        if name in shapes
        for image in images_of_control(annotation.data, config, shapes[name])
    }
    return dict(zip(drawn_on, sizes_of(list(drawn_on)), strict=True))


def _read(
    annotation: Annotation, control: Control, config: LabelConfig, sizes: Mapping[str, Size | None]
) -> dict[ImageOfTask, tuple[str, list[Any]]]:
    """Read what an annotation tells of a control on each image that can be had, with the reference of the image."""
    read: dict[ImageOfTask, tuple[str, list[Any]]] = {}
    for image, regions in regions_of(annotation, control, config).items():
        reference = reference_of_image(annotation.data, config, image)
        size = sizes.get(reference) if control.tag in OBJECTS else None
        if control.tag in OBJECTS and regions and size is None:
            continue
        if size is None:
            read[ImageOfTask(annotation.task_id, *image)] = reference, read_regions(regions, control)
            continue
        read[ImageOfTask(annotation.task_id, *image)] = reference, list(draw_objects(regions, control, size=size))
    return read


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
