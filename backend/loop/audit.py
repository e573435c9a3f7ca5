"""The audit of a project: its held-out tasks, the order in which they are served, and the sides of its annotated tasks.

Uncertainty sampling serves the lowest score first. The scores of held-out tasks are drawn from those of the others, so that
they come in random order between them: what is measured on them speaks of all of the project's galaxies, not of hard ones.
"""

from __future__ import annotations

import bisect
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from backend.loop.examples.held_out import DEFAULT_SHARE, audit_share, audit_tasks, sides_of
from backend.loop.examples.snapshot import Snapshot
from backend.prediction.bulk import Pairs
from backend.prediction.factory import read_config
from backend.registry.records import Project
from backend.services import Services
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.label_studio.tasks import Task

__all__ = ["divide", "held_out_tasks", "mix_in"]

log = logging.getLogger("galaxyloop.audit")

UPLOADS = "/data/upload/"


def held_out_tasks(project: Project, tasks: Iterable[Task]) -> frozenset[int]:
    """Choose the tasks of a project that judge and never teach."""
    return audit_tasks({task.id: task.data for task in tasks}, image_keys=_image_keys(project), share=_share(project))


def divide(services: Services, project: Project, snapshot: Snapshot) -> Snapshot:
    """Say of a snapshot which tasks judge, which teach and which do neither."""
    keys = _image_keys(project)
    sides = sides_of(
        snapshot.annotations,
        held_out=held_out_tasks(project, services.tasks(project.id)),
        image_keys=keys,
        contents=_contents(services, snapshot, keys),
    )
    if sides.set_aside:
        log.info("event=set_aside project=%d tasks=%d", project.id, len(sides.set_aside))
    return replace(snapshot, sides=sides)


def mix_in(predicted: Iterable[Pairs], held_out: frozenset[int], *, known: Sequence[float] = ()) -> Iterator[Pairs]:
    """Give the predictions of held-out tasks scores as the others have them, at random.

    A task's place among the others is drawn anew for each version: with the same place in each, those in front would be done
    first, and of the ones left over few would be served.

    Parameters
    ----------
    predicted : iterable of list of (Task, Prediction)
    held_out : frozenset of int
    known : sequence of float
        Scores of other tasks that are not held out, as far as they are known.
    """
    others = sorted(known)
    for batch in predicted:
        for task, prediction in batch:
            if task.id not in held_out:
                bisect.insort(others, prediction.score)
        mixed: Pairs = []
        for task, prediction in batch:
            if task.id in held_out and not prediction.problem:
                place = _place(task.id, prediction.model_version)
                score = _quantile(others, place) if others else place
                mixed.append((task, replace(prediction, score=score)))
            else:
                mixed.append((task, prediction))
        yield mixed


def _quantile(ordered: Sequence[float], place: float) -> float:
    """Of scores in ascending order; numpy's would copy all of them each time."""
    position = place * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _place(task: int, version: str) -> float:
    """A number from 0 to 1 that stands for a task and a version."""
    return int.from_bytes(hashlib.sha256(f"{version} {task}".encode()).digest()[:8]) / 2**64


def _share(project: Project) -> float:
    try:
        return audit_share(project.extra_params)
    except ValueError as error:  # of a project that was attached before the share was checked
        log.warning("event=audit_share_ignored project=%d reason=%r", project.id, str(error))
        return DEFAULT_SHARE


def _image_keys(project: Project) -> list[str]:
    return sorted(set(read_config(project.label_config).image_key.values()))


def _contents(services: Services, snapshot: Snapshot, image_keys: Sequence[str]) -> dict[int, str]:
    """What the bytes of uploaded files are known by; other files are told by their references, and not fetched for this."""
    contents = {}
    for annotation in snapshot.annotations:
        for key in image_keys:
            reference = annotation.data.get(key)
            if isinstance(reference, str) and reference.startswith(UPLOADS):
                picture = attempt(partial(services.predictors.open, reference))
                if isinstance(picture, ImageError):
                    log.info("event=not_opened task=%d reason=%r", annotation.task_id, str(picture))
                else:
                    contents[annotation.task_id] = picture.key
    return contents
