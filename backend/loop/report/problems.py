"""What is the matter with a project: one sentence for each problem, with what to do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from backend.loop.report.inputs import ReportInputs
from backend.prediction.control_models import model_class
from backend.registry.damage import describe_damage
from backend.registry.records import config_hash
from backend.registry.unreadable import UnreadableList
from sync.controls import CONTROLS, Kind
from sync.labelling.config import Control

__all__ = ["ENOUGH_GALAXIES", "find_problems"]

ENOUGH_GALAXIES = 30
"""Number of held-out galaxies from which on the intervals of scores are narrow enough to compare versions."""
LEAST_TO_BE_ONE_CLASS = 5
"""Number of labels from which on it is worth a sentence that all of them are equal."""


def find_problems(inputs: ReportInputs) -> list[str]:
    """Return the problems of a project, the most important first."""
    problems = [*describe_damage(inputs.services.registry, inputs.project.id), *_config(inputs)]
    problems += _tasks(inputs)
    if inputs.snapshot.annotations:
        for control in inputs.controls:
            problems += [*_classes(inputs, control), *_contradictions(inputs, control)]
        problems += _check_held_out(inputs)
    return problems + _unreadable(inputs)


def _config(inputs: ReportInputs) -> list[str]:
    live = inputs.services.registry.version(inputs.project.id, inputs.project.live_version)
    if not inputs.controls:
        return ["The labelling config has no control that can be predicted: add Choices, Number or RectangleLabels."]
    if live.config_hash != config_hash(inputs.project.label_config):
        return [
            f"The labelling config has changed since {live.name} was trained: "
            "its scores and predictions are those of the old config until the next version is live."
        ]
    return []


def _tasks(inputs: ReportInputs) -> list[str]:
    tasks, annotated_count = len(inputs.tasks), sum(task.annotated for task in inputs.tasks)
    if not tasks:
        return ["The project has no tasks: import images with galaxyloop import."]
    if not inputs.snapshot.annotations:
        return ["No task has been annotated yet: the first version is trained after the first batch of annotations."]
    if annotated_count == tasks:
        return [f"All {tasks} tasks are annotated: import more images, or export the annotations with galaxyloop export."]
    return []


def _classes(inputs: ReportInputs, control: Control) -> list[str]:
    """Return a sentence if all annotations have the same class, or there are none for the control."""
    labels = list(inputs.truth[control.name].labels.values())
    if not labels:
        return [f"No annotation answers {control.name!r}: it is predicted by the shipped head, or not at all."]
    if CONTROLS[control.tag].KIND is not Kind.CLASSES or len(labels) < LEAST_TO_BE_ONE_CLASS or len(control.labels) < 2:
        return []
    names = [model_class(control).names_in(label, control) for label in labels]
    if not control.paths and all(each == names[0] and len(each) == 1 for each in names):
        (name,) = names[0]
        return [f"All {len(labels)} annotations of {control.name!r} are {name!r}: a version is trained once there are others."]
    return []


def _contradictions(inputs: ReportInputs, control: Control) -> list[str]:
    """Return a sentence if annotators gave the same image, or the same galaxy, different classes."""
    if CONTROLS[control.tag].KIND is not Kind.CLASSES or control.multiple:
        return []
    answers: dict[str, set[int]] = defaultdict(set)
    tasks: dict[str, set[int]] = defaultdict(set)
    for image, label in inputs.truth[control.name].labels.items():
        key = f"{inputs.galaxy(image)} {image.page}"
        tasks[key].add(image.task)
        answers[key] |= _answers(label, control)
    names = sorted(key for key, labels in answers.items() if len(labels) > 1)
    if not names:
        return []
    examples_text = _list_tasks(sorted(task for key in names for task in tasks[key]))
    count = f"{len(names)} galaxies have" if len(names) > 1 else "1 galaxy has"
    return [f"{count} contradictory labels of {control.name!r} ({examples_text}): compare their annotations."]


def _answers(label: Sequence[float], control: Control) -> set[int]:
    """Return the classes that annotators gave; for a taxonomy, the nodes of the first level that were chosen."""
    shares = np.asarray(label)
    if control.paths:
        names = model_class(control).label_names(control)
        return {place for place in np.flatnonzero(shares).tolist() if "/" not in names[place]}
    return set(np.flatnonzero(shares).tolist())


def _check_held_out(inputs: ReportInputs) -> list[str]:
    galaxies = {
        inputs.snapshot.sides.galaxies.get(annotation.task_id, str(annotation.task_id))
        for annotation in inputs.snapshot.validation
    }
    if not galaxies:
        return [
            "No held-out task has been annotated yet, so no score can be given: annotate on in the order of the queue, "
            "or mark some annotations as ground truth with the star."
        ]
    if len(galaxies) < ENOUGH_GALAXIES:
        return [
            f"Only {len(galaxies)} held-out {'galaxy has' if len(galaxies) == 1 else 'galaxies have'} been annotated: "
            f"scores are uncertain until there are about {ENOUGH_GALAXIES}."
        ]
    return []


def _unreadable(inputs: ReportInputs) -> list[str]:
    problems = []
    project = inputs.project
    left_out = UnreadableList(inputs.services.engine).tasks_left_out(project.id)
    if left_out:
        problems.append(
            f"Tasks left out, because their annotations cannot be read: {left_out} (galaxyloop project problems {project.id})."
        )
    records = inputs.services.prediction_records.of(project.id, project.live_version)
    ids = {task.id for task in inputs.tasks}
    unreadable = sorted(task for task, record in records.items() if record.failed_at is not None and task in ids)
    if unreadable:
        problems.append(
            f"Tasks that are not predicted in full, because their image cannot be read or a head failed: {len(unreadable)} "
            f"({_list_tasks(unreadable)}); the log of the worker has the reasons."
        )
    return problems


def _list_tasks(tasks: Sequence[int]) -> str:
    """Return the first tasks in words: "task 3" or "tasks 3, 8, 9"."""
    return f"task{'s' if len(tasks) > 1 else ''} {', '.join(map(str, tasks[:3]))}"
