"""Looking ahead: what annotators will open next is seen before they open it, so that already the first click is warm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from backend.jobs.lease import LeaseLostError
from backend.prediction.predictor import Task as PredictorTask
from backend.prediction.records import data_hash
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.projects import ProjectState
from sync.label_studio.tasks import Task

__all__ = ["AHEAD_TASKS", "prefetch"]

log = logging.getLogger("galaxyloop.ahead")

AHEAD_TASKS = 100
"""Tasks seen ahead: more than a team gets through before the next cycle."""


def prefetch(services: Services, project: Project, tasks: Sequence[Task], state: ProjectState, lost: threading.Event) -> int:
    """See the next tasks' pictures, the nearest in the queue first; stops as soon as a bell rings.

    Parameters
    ----------
    tasks : sequence of Task
        The project's.
    state : ProjectState
        Says whether the least sure come first.

    Returns
    -------
    int
        Tasks that were seen.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    predictor = services.predictors.of(project, label_config=project.label_config)
    if not predictor.answers_prompts:
        return 0
    pending, done = services.pending_events.pending(), services.prefetched
    scores = services.predicted.get((project.id, project.live_version), {})
    waiting = [task for task in tasks if not task.annotated]
    if state.sampling == "Uncertainty sampling":
        waiting.sort(key=lambda task: (scores.get(task.id) or 0.0, task.id))
    keys = predictor.config.image_key.values()
    marks = {task.id: (project.id, task.id, data_hash(task.data, keys)) for task in waiting[:AHEAD_TASKS]}
    ahead = [task for task in waiting[:AHEAD_TASKS] if marks[task.id] not in done]
    for count, task in enumerate(ahead):
        if lost.is_set():
            raise LeaseLostError(f"project {project.id} was taken over by another worker")
        if services.pending_events.pending() != pending:
            return count
        predictor.prefetch(PredictorTask(id=task.id, data=task.data))
        done.add(marks[task.id])
    if ahead:
        log.info("event=looked_ahead project=%d tasks=%d", project.id, len(ahead))
    return len(ahead)
