"""Hold out tasks of a project, give them a random order in the queue, and divide its annotated tasks.

Uncertainty sampling serves the lowest score first. Held-out tasks get scores drawn from the distribution of the others, so that
they come in random order between them: metrics on them then estimate those of all galaxies, not only of difficult ones.
"""

from __future__ import annotations

import bisect
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from backend.loop.examples.held_out import DEFAULT_SHARE, choose_held_out, held_out_share, sides_of
from backend.loop.examples.snapshot import Snapshot
from backend.prediction.bulk import Pairs
from backend.prediction.factory import read_config
from backend.registry.records import Project
from backend.services import Services
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.label_studio.tasks import Task

__all__ = ["divide_snapshot", "held_out_tasks", "randomise_held_out"]

log = logging.getLogger("galaxyloop.audit")

UPLOADS = "/data/upload/"


def held_out_tasks(project: Project, tasks: Iterable[Task]) -> frozenset[int]:
    """Choose the tasks of a project that are held out for validation and never used for training.

    Parameters
    ----------
    project : Project
    tasks : iterable of Task
        All tasks of the project.

    Returns
    -------
    frozenset of int
        Ids of the held-out tasks.
    """
    return choose_held_out({task.id: task.data for task in tasks}, image_keys=_image_keys(project), share=_share(project))


def divide_snapshot(services: Services, project: Project, snapshot: Snapshot, *, tasks: Iterable[Task]) -> Snapshot:
    """Divide a snapshot into training, held-out and set-aside tasks.

    Parameters
    ----------
    services : Services
    project : Project
    snapshot : Snapshot
    tasks : iterable of Task
        All tasks of the project.

    Returns
    -------
    Snapshot
        The same annotations, with the sides of their tasks.
    """
    keys = _image_keys(project)
    sides = sides_of(
        snapshot.annotations,
        held_out=held_out_tasks(project, tasks),
        image_keys=keys,
        contents=_contents(services, snapshot, keys),
    )
    if sides.set_aside:
        log.info("event=set_aside project=%d tasks=%d", project.id, len(sides.set_aside))
    return replace(snapshot, sides=sides)


def randomise_held_out(
    batches: Iterable[Pairs], held_out: frozenset[int], *, known_scores: Sequence[float] = ()
) -> Iterator[Pairs]:
    """Replace the scores of held-out tasks by random ones with the distribution of the others.

    The rank is drawn again for each version. With a constant rank, the held-out tasks at the front would be annotated first,
    and few of the remaining ones would be served.

    Parameters
    ----------
    batches : iterable of list of (Task, Prediction)
    held_out : frozenset of int
    known_scores : sequence of float
        Known scores of other tasks that are not held out.

    Yields
    ------
    list of (Task, Prediction)
        The same batches; empty predictions with a problem keep their score.
    """
    known_sorted = sorted(known_scores)
    for batch in batches:
        for task, prediction in batch:
            if task.id not in held_out:
                bisect.insort(known_sorted, prediction.score)
        result: Pairs = []
        for task, prediction in batch:
            if task.id in held_out and not prediction.problem:
                rank = _random_rank(task.id, prediction.model_version)
                score = _quantile(known_sorted, rank) if known_sorted else rank
                result.append((task, replace(prediction, score=score)))
            else:
                result.append((task, prediction))
        yield result


def _quantile(values: Sequence[float], rank: float) -> float:
    """Interpolate between scores in ascending order; `numpy.quantile` would copy all of them each time."""
    position = rank * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (position - below) * (values[above] - values[below])


def _random_rank(task: int, version: str) -> float:
    """Return a pseudorandom number from 0 to 1, always the same for a task and a version."""
    return int.from_bytes(hashlib.sha256(f"{version} {task}".encode()).digest()[:8]) / 2**64


def _share(project: Project) -> float:
    try:
        return held_out_share(project.extra_params)
    except ValueError as error:  # the project was attached by a release that did not check the share
        log.warning("event=audit_share_ignored project=%d reason=%r", project.id, str(error))
        return DEFAULT_SHARE


def _image_keys(project: Project) -> list[str]:
    return sorted(set(read_config(project.label_config).image_key.values()))


def _contents(services: Services, snapshot: Snapshot, image_keys: Sequence[str]) -> dict[int, str]:
    """Return a hash of each task's uploaded file; other files are identified by their references and not downloaded."""
    contents = {}
    for annotation in snapshot.annotations:
        for key in image_keys:
            reference = annotation.data.get(key)
            if isinstance(reference, str) and reference.startswith(UPLOADS):
                image = attempt(partial(services.predictors.open, reference))
                if isinstance(image, ImageError):
                    log.info("event=image_not_read task=%d reason=%r", annotation.task_id, str(image))
                else:
                    contents[annotation.task_id] = image.key
    return contents
