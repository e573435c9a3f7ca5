"""Publication: the live version's predictions reach Label Studio, in an order that never leaves it half switched.

First the new predictions are stored in bulk, then the backend is renamed, since Label Studio shows and samples by the name of the
version that the backend's title says, and only then older predictions are pruned.
"""

from __future__ import annotations

import logging

from backend.annotator import Task
from backend.registry import Project, version_name
from backend.services import Services
from sync.predictions import predicted_tasks, prune, push
from sync.projects import ProjectState, rename_backend
from sync.tasks import read_tasks

__all__ = ["publish"]

log = logging.getLogger("galaxyloop.publish")

CHUNK = 200
"""Tasks predicted and stored together: the first are on screen long before the last are computed."""


def publish(services: Services, project: Project, state: ProjectState) -> int:
    """Store what is missing of the live version's predictions for the tasks still to do.

    Returns
    -------
    int
        Predictions stored.
    """
    registry, client = services.registry, services.label_studio
    number = project.live_version
    complete = project.published_version == number and project.published_tasks == state.task_count
    if complete and state.model_version == version_name(number):
        return 0
    name = version_name(number)
    annotator = services.annotators.of(project, label_config=project.label_config)
    have = predicted_tasks(client, project.id, name)
    waiting = [task for task in read_tasks(client, project.id) if not task.annotated and task.id not in have]
    stored = 0
    for start in range(0, len(waiting), CHUNK):
        chunk = [Task(id=task.id, data=task.data) for task in waiting[start : start + CHUNK]]
        predictions = annotator.predict(chunk)
        stored += push(
            client,
            project.id,
            [prediction.as_json() | {"task": task.id} for task, prediction in zip(chunk, predictions, strict=True)],
        )
        log.info("event=stored project=%d version=%s stored=%d of=%d", project.id, name, stored, len(waiting))
    if registry.project(project.id).live_version != number:
        # Rolled back meanwhile: the bell has rung for it, and its own cycle renames.
        return stored
    rename_backend(client, project.id, url=services.settings.public_url, title=name)
    prune(client, project.id, {name})
    registry.set_published(project.id, number, tasks=state.task_count)
    return stored
