"""Publication: the live version's predictions reach Label Studio, in an order that never leaves it half switched.

First the new predictions are stored in bulk, then the backend is renamed, since Label Studio shows and samples by the version
that the backend's title names, and only then older predictions are pruned.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from backend.annotator import Task
from backend.bulk import predict_and_store, predicting_here
from backend.records import Project
from backend.services import Services
from sync.annotations import Annotation
from sync.predictions import predicted_tasks, prune
from sync.projects import ProjectState, rename_backend
from sync.tasks import read_tasks

__all__ = ["prune_old", "publish", "show_live"]

log = logging.getLogger("galaxyloop.publish")

QUIET_BEFORE_PRUNING_S = 60.0
"""Pruning locks Label Studio's SQLite for about 4 s per 1,000 predictions, and whoever submits meanwhile may get an error: it
waits until nobody has annotated for so long."""


def publish(services: Services, project: Project, state: ProjectState) -> int:
    """Store what is missing of the live version's predictions for the tasks still to do.

    What is missing is looked for task by task, not by counting: a task comes to be done again when its annotation is deleted,
    and a new one may take the place of a deleted one.

    Returns
    -------
    int
        Predictions stored.
    """
    registry, client = services.registry, services.label_studio
    number = project.live_version
    name = project.live_name
    published = project.published_version == number
    have = services.predicted.get((project.id, number)) if published else None
    if have is None:
        have = dict.fromkeys(predicted_tasks(client, project.id, name))
        services.predicted[project.id, number] = have
    missing = any(not task.annotated and task.id not in have for task in services.tasks(project.id))
    counted = published and project.published_tasks == state.task_count
    if not missing and counted and state.model_version == name:
        return 0
    annotator = services.annotators.of(project, label_config=project.label_config)
    waiting = [task for task in read_tasks(client, project.id) if not task.annotated and task.id not in have]
    stored = 0
    predicted = predicting_here(annotator)([Task(id=task.id, data=task.data) for task in waiting])
    for chunk in predict_and_store(client, project.id, predicted):
        stored += chunk.count
        have |= {task.id: prediction.score for task, prediction in chunk.pairs}
        log.info("event=stored project=%d version=%s stored=%d of=%d", project.id, name, stored, len(waiting))
    if registry.project(project.id).live_version != number:
        # Rolled back meanwhile: the bell has rung for it, and its own cycle renames.
        return stored
    show_live(services, project, tasks=state.task_count)
    return stored


def show_live(services: Services, project: Project, *, tasks: int) -> None:
    """Let annotators see the live version's predictions, which are stored for all of the project's `tasks` still to do.

    Raises
    ------
    LabelStudioError
        If the project has no backend at our address, or Label Studio cannot reach it.
    """
    name = project.live_name
    rename_backend(services.label_studio, project.id, url=services.settings.public_url, title=name)
    services.registry.set_published(project.id, project.live_version, tasks=tasks)


def prune_old(services: Services, project: Project, annotations: Sequence[Annotation]) -> int:
    """Delete the predictions of versions before the previous one, in a quiet hour; return how many.

    The live version's stay, and the previous one's: Label Studio refuses an annotation that was begun from a prediction that is
    gone, so whoever has such a task open could not submit. So do all that an annotation was made from.
    """
    versions = services.registry.versions(project.id)
    shown = [version for version in versions if version.verdict in ("live", "retired", "base")]
    previous = [version.name for version in shown if version.number != project.live_version][-1:]
    newest = max((datetime.fromisoformat(one.updated_at) for one in annotations), default=None)
    if newest is not None and (datetime.now(UTC) - newest).total_seconds() < QUIET_BEFORE_PRUNING_S:
        return 0
    keep = {project.live_name, *previous}
    stale = {version.name for version in versions} - keep
    deleted = prune(services.label_studio, project.id, stale, annotations=annotations)
    if deleted:
        log.info("event=pruned project=%d kept=%s deleted=%d", project.id, ",".join(sorted(keep)), deleted)
    return deleted
