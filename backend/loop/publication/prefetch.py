"""Prefetch: the window features of the next tasks in the queue, so that the first click on them needs no encoder pass."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence

from backend.jobs.lease import LeaseLostError
from backend.prediction.prediction import EMPTY_SCORE
from backend.prediction.predictor import PredictionTask
from backend.prediction.records import data_hash
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.projects import UNCERTAINTY_SAMPLING
from sync.label_studio.tasks import Task

__all__ = ["PREFETCH_TASKS", "prefetch"]

log = logging.getLogger("galaxyloop.prefetch")

PREFETCH_TASKS = 100
"""More tasks than a team annotates before the next cycle."""


def prefetch(
    services: Services,
    project: Project,
    tasks: Sequence[Task],
    *,
    sampling: str,
    scores: Mapping[int, float | None],
    done_pairs: set[tuple[int, str]],
    lease: threading.Event,
) -> int:
    """Compute the window features of the next open tasks in the queue; stop when an event arrives.

    Parameters
    ----------
    tasks : sequence of Task
        All tasks of the project.
    sampling : str
        Of the project in Label Studio; by uncertainty the lowest score comes first.
    scores : mapping
        Task id to the score of its prediction, as far as known.
    done_pairs : set of (int, str)
        Tasks, and hashes of their data, that were prefetched before; those of this call are added.
    lease : threading.Event
        Set once the lease is lost.

    Returns
    -------
    int
        Tasks that were prefetched.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    predictor = services.predictors.of(project, label_config=project.label_config)
    if not predictor.answers_prompts:
        return 0
    pending = services.pending_events.pending()
    queue = [task for task in tasks if not task.annotated]
    if sampling == UNCERTAINTY_SAMPLING:
        queue.sort(key=lambda task: (EMPTY_SCORE if (score := scores.get(task.id)) is None else score, task.id))
    keys = predictor.config.image_key.values()
    marks = [(task.id, data_hash(task.data, keys)) for task in queue[:PREFETCH_TASKS]]
    waiting = [(task, mark) for task, mark in zip(queue, marks, strict=False) if mark not in done_pairs]
    for count, (task, mark) in enumerate(waiting):
        if lease.is_set():
            raise LeaseLostError(f"project {project.id} was taken over by another worker")
        if services.pending_events.pending() != pending:
            return count
        predictor.prefetch(PredictionTask(id=task.id, data=task.data))
        done_pairs.add(mark)
    if waiting:
        log.info("event=prefetched project=%d tasks=%d", project.id, len(waiting))
    return len(waiting)
