"""The first pass over a project's annotations collects the data that the writers need before the first record.

These are votes, agreement, the classes and kinds that occur, and the sky position of each task. Masks and outlines are not
kept, so that memory stays small.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from sync.controls import SHAPES
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.export.consensus.agreement import Overlaps
from sync.export.consensus.votes import Vote, newest_of_each, votes_of
from sync.export.data_columns import DataColumns
from sync.export.measures import measure
from sync.export.reading.annotations import parse_annotations
from sync.export.reading.images import is_first, number_of, reference_of
from sync.export.records import ParsedAnnotation
from sync.export.sky import NOWHERE, Sky
from sync.export.splits import TaskPlace
from sync.geometry.shapes import Box, Ellipse, Point, Polygon, Size
from sync.labelling.config import LabelConfig
from sync.labelling.matching import read_label

__all__ = ["OUTLINES", "FirstPass", "is_read", "run_first_pass"]


@dataclass
class FirstPass:
    """Results of the first pass over all tasks.

    Attributes
    ----------
    tasks, annotations, skipped_annotations : int
        Numbers of images, of annotations that were not skipped, and of skipped annotations.
    several : int
        Number of tasks that two or more people annotated.
    votes : list of Vote
    overlaps : Overlaps
    extra_labels : dict
        Maps each class of objects that the labelling config takes from the task's data to its first use: number of the
        annotation, and index of the region in it.
    kinds : set of str
        Kinds of objects that occur.
    foreign : Counter
        Number of regions of controls that the export does not read, by (name of the control, type of the region).
    data_columns : DataColumns
    outlined_classes : set of str
        Classes with at least one mask, polygon or ellipse.
    places : list of TaskPlace
        Empty if `run_first_pass` was called without `sky_of`.
    """

    tasks: int = 0
    annotations: int = 0
    skipped_annotations: int = 0
    several: int = 0
    votes: list[Vote] = field(default_factory=list)
    overlaps: Overlaps = field(default_factory=Overlaps)
    extra_labels: dict[str, tuple[int, int]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    foreign: Counter[tuple[str, str]] = field(default_factory=Counter)
    data_columns: DataColumns = field(default_factory=DataColumns)
    outlined_classes: set[str] = field(default_factory=set)
    places: list[TaskPlace] = field(default_factory=list)


def run_first_pass(
    tasks: Iterable[tuple[Mapping[str, Any], Size | None]],
    config: LabelConfig,
    *,
    sky_of: Callable[[Mapping[str, Any]], tuple[Sky, str]] | None,
) -> FirstPass:
    """Read all tasks once.

    Parameters
    ----------
    tasks : iterable of (mapping, size)
        Tasks as `split_by_image` yields them, with the sizes (width, height) of their images in pixels; None if unknown.
    config : LabelConfig
    sky_of : callable or None
        Returns a task's position on the sky and an identifier of its file's content. None for an export without splits: only
        splits need the shapes of all tasks in this pass.
    """
    result = FirstPass(data_columns=DataColumns(image_keys=frozenset(config.image_key.values())))
    for task, size in tasks:
        attempt(partial(_scan_task, task, size, config, result, sky_of=sky_of))  # the second pass reports failures
    return result


def _scan_task(
    task: Mapping[str, Any],
    size: Size | None,
    config: LabelConfig,
    first_pass: FirstPass,
    *,
    sky_of: Callable[[Mapping[str, Any]], tuple[Sky, str]] | None,
) -> None:
    items = [item for item in task.get("annotations") or [] if isinstance(item, Mapping)]
    submissions = [item for item in items if not item.get("was_cancelled")]
    first_pass.tasks += 1
    if is_first(task):
        first_pass.data_columns.add(data if isinstance(data := task.get("data"), Mapping) else {})
        first_pass.annotations += len(submissions)
    first_pass.skipped_annotations += len(items) - len(submissions)
    for item in submissions:
        _note_labels(item, config, first_pass)
    if not is_read(task, places=sky_of is not None):
        return
    annotations = parse_annotations(task, config, report=_ignore_report, size=size)  # the second pass reports
    voters = newest_of_each(annotations)
    if len(voters) > 1:
        first_pass.several += 1
        first_pass.votes += votes_of(number_of(task), voters, config)
        first_pass.overlaps.add(voters, config)
    if sky_of is not None and annotations:
        sky, content = sky_of(task)
        place = attempt(partial(_place, task, annotations, config, sky, content))
        if isinstance(place, ImageError):
            place = _place(task, annotations, config, NOWHERE, content)
        first_pass.places.append(place)


def is_read(task: Mapping[str, Any], *, places: bool) -> bool:
    """Return whether the first pass reads a task's shapes: for its sky position, or because it has several annotations."""
    items = (item for item in task.get("annotations") or [] if isinstance(item, Mapping))
    return places or sum(not item.get("was_cancelled") for item in items) > 1


def _regions(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    result = annotation.get("result")
    return [region for region in result if isinstance(region, Mapping)] if isinstance(result, list) else []


OUTLINES = frozenset({"mask", "polygon", "ellipse"})
"""Kinds of objects with an outline."""

_KIND_OF_SHAPE = {Box: "box", Ellipse: "ellipse", np.ndarray: "mask", Polygon: "polygon", Point: "keypoint"}


def _note_labels(annotation: Mapping[str, Any], config: LabelConfig, first_pass: FirstPass) -> None:
    number = annotation.get("id")
    for place, region in enumerate(_regions(annotation)):
        control = config.control(region.get("from_name"))
        if control is None:
            first_pass.foreign[str(region.get("from_name") or ""), str(region.get("type") or "unknown")] += 1
        if control is None or not control.marks_objects:
            continue
        kind, value = _KIND_OF_SHAPE[SHAPES[control.tag].SHAPE], region.get("value")
        first_pass.kinds.add(kind)
        if not isinstance(value, Mapping) or not isinstance(value.get(control.tag.lower()), list):
            continue
        names = [name for name in value[control.tag.lower()] if isinstance(name, str)]
        labels = [label for name in names if (label := read_label(name, control)) is not None]
        for label in labels if not control.labels else ():
            sort_key = (number if isinstance(number, int) else 0, place)
            first_pass.extra_labels[label] = min(first_pass.extra_labels.get(label, sort_key), sort_key)
        if kind in OUTLINES:
            first_pass.outlined_classes.update(labels)


def _place(
    task: Mapping[str, Any], annotations: list[ParsedAnnotation], config: LabelConfig, sky: Sky, content: str
) -> TaskPlace:
    newest = annotations[-1]
    size = next((obj.size for annotation in annotations for obj in annotation.objects), sky.measured_size)
    centre, radius = sky.centre, 0.0
    galaxies = np.zeros((0, 2)) if centre is None else np.array([centre])
    if size is not None and sky.celestial is not None:
        circle = sky.circle(size)
        if circle is not None:
            centre, radius = circle
            positions = [(obj.ra, obj.dec) for annotation in annotations for obj in measure(annotation.objects, sky)]
            finite_positions = np.array([place for place in positions if np.isfinite(place).all()]).reshape(-1, 2)
            galaxies = (
                np.concatenate([galaxies, finite_positions]) if len(galaxies) or len(finite_positions) else np.array([centre])
            )
    elif size is not None and sky.scale_arcsec is not None:
        radius = sky.scale_arcsec * float(np.hypot(*size)) / 2
    label = _class_of(newest, config)
    reference = reference_of(task, config)
    return TaskPlace(int(task["id"]), label, reference, galaxies, centre, radius, content)


def _class_of(annotation: ParsedAnnotation, config: LabelConfig) -> str:
    """Return the class for stratified splits.

    This is the answer to the config's first question that has one, else the most frequent class of objects, else "".
    """
    labels_of = {answer.control: answer.labels for answer in annotation.answers if answer.labels}
    first = next((labels_of[control.name] for control in config.controls if control.name in labels_of), None)
    if first is not None:
        return "|".join(first)
    labels = Counter(obj.label for obj in annotation.objects)
    return min(labels, key=lambda label: (-labels[label], label)) if labels else ""


def _ignore_report(reason: str, *, task: object, annotation: object = None, region: object = None) -> None:
    """Ignore a report, since the second pass reports it again."""
