"""Find the annotations that cannot be read, and list them by task with the reason.

Every cycle checks all annotations; an outcome is reused while the annotation's content and the labelling config are the same.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from functools import partial

from backend.loop.examples.answers import needs_image_size, read_regions, regions_of
from backend.prediction.control_models.drawn_objects import check_cost
from backend.prediction.factory import read_config
from backend.prediction.project_heads import controls_to_predict
from backend.registry.records import Project, config_hash
from backend.registry.unreadable import Unreadable, UnreadableList
from backend.services import Services
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.label_studio.annotations import Annotation
from sync.label_studio.task_images import reference_of_image
from sync.labelling.config import Control, LabelConfig

__all__ = ["Readings", "note_problems"]

log = logging.getLogger("galaxyloop.problems")

READ, NOT_ANSWERED = "read", "not answered"

Readings = dict[tuple[int, str, str], dict[str, tuple[str, str]]]
"""By annotation id, content and labelling config: the outcome and the reason for each control."""


def note_problems(services: Services, project: Project, annotations: Sequence[Annotation], *, readings: Readings) -> int:
    """List the annotations of a snapshot that cannot be read; return how many tasks are left out for a control.

    Parameters
    ----------
    services : Services
    project : Project
    annotations : sequence of Annotation
    readings : dict
        Outcomes of an earlier call, which are reused; replaced by the outcomes of this call.
    """
    config = read_config(project.label_config)
    controls = controls_to_predict(config)
    version = config_hash(project.label_config)
    known_readings = dict(readings)
    readings.clear()
    for annotation in annotations:
        key = (annotation.id, annotation.content, version)
        readings[key] = known_readings.get(key) or {
            control.name: _outcome(services, annotation, control, config) for control in controls
        }
    unreadable = _unreadable(annotations, list(readings.values()))
    items = UnreadableList(services.engine)
    items.replace(project.id, unreadable)
    left_out = items.tasks_left_out(project.id)
    if left_out:
        log.info("event=tasks_left_out project=%d tasks=%d", project.id, left_out)
    return left_out


def _outcome(services: Services, annotation: Annotation, control: Control, config: LabelConfig) -> tuple[str, str]:
    """Return whether an annotation can be read for a control and, if it cannot, the reason."""
    result = attempt(partial(_read, services, annotation, control, config))
    if isinstance(result, ImageError):
        return "", str(result)
    return (READ if result else NOT_ANSWERED), ""


def _read(services: Services, annotation: Annotation, control: Control, config: LabelConfig) -> bool:
    """Read an annotation for a control; return whether it answers the control."""
    images = regions_of(annotation, control, config)
    for image, regions in images.items():
        size = None
        if needs_image_size(regions, control):
            (size,) = services.predictors.extractor.sizes([reference_of_image(annotation.data, config, image)])
        check_cost(regions, control, size=size or (1, 1))
        read_regions(regions, control, size=size)
    return bool(images)


def _unreadable(annotations: Sequence[Annotation], readings: Sequence[dict[str, tuple[str, str]]]) -> list[Unreadable]:
    readable_images: set[tuple[int, str]] = set()
    reasons: dict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
    for annotation, reading in zip(annotations, readings, strict=True):
        for control, (outcome, reason) in reading.items():
            if outcome == READ:
                readable_images.add((annotation.task_id, control))
            elif reason:
                reasons[annotation.task_id, control].append((annotation.id, reason))
    return [
        Unreadable(task, annotation, control, reason, (task, control) not in readable_images)
        for (task, control), items in reasons.items()
        for annotation, reason in items
    ]
