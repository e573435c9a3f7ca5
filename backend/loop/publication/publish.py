"""Publication of the live version's predictions.

First the new predictions are stored in bulk. Then the backend is renamed, since Label Studio shows and samples by the version
that the backend's title names. Only then older predictions are pruned. So annotators never see a mixture of versions.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from backend.loop.publication.publisher import Publisher
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.registry.records import BASE, LIVE, RETIRED, Project
from backend.services import Services
from sync.label_studio.annotations import Annotation
from sync.label_studio.projects import ProjectState, rename_backend
from sync.label_studio.pruning import prune
from sync.label_studio.tasks import Task, read_tasks

__all__ = ["prune_old", "publish", "show_live"]

log = logging.getLogger("galaxyloop.publish")

QUIET_BEFORE_PRUNING_S = 60.0
"""Time without a change of an annotation before pruning: each deletion locks Label Studio's SQLite for a moment."""
PRUNE_FOR_S = 60.0
"""Longest pruning in one cycle, because the worker has other projects too; the next cycle continues."""


def publish(
    services: Services,
    project: Project,
    state: ProjectState,
    annotations: Sequence[Annotation],
    *,
    tasks: Sequence[Task],
    predictions: StoredPredictions,
) -> int:
    """Store the live version's missing predictions of open tasks, and replace those that are outdated.

    Each task is checked, because counting is not enough: deleting an annotation opens its task again, a new task may have the
    id of a deleted one, and users may delete predictions or change a task's data.

    Parameters
    ----------
    annotations : sequence of Annotation
        Predictions that these were made from are kept where they are replaced.
    tasks : sequence of Task
        All tasks of the project.
    predictions : StoredPredictions
        Of the live version.

    Returns
    -------
    int
        Predictions stored.
    """
    publisher = Publisher(services, project, predictions)
    tasks_to_predict = publisher.choose(tasks)
    is_published = project.published_version == project.live_version and project.published_tasks == state.task_count
    if not tasks_to_predict and is_published and state.model_version == project.live_name:
        return 0
    count = 0
    if tasks_to_predict.missing_tasks:
        # Read again: a training of minutes may have passed.
        tasks_to_predict = publisher.choose(read_tasks(services.label_studio, project.id))
        count += publisher.store(tasks_to_predict.missing_tasks)
    parents = {annotation.parent_prediction for annotation in annotations if annotation.parent_prediction is not None}
    count += publisher.replace(tasks_to_predict.changed_tasks, parents=parents)
    count += publisher.retry(tasks_to_predict.failed_tasks, parents=parents)
    if services.registry.project(project.id).live_version == project.live_version:
        show_live(services, project, tasks=state.task_count)
    # Otherwise a user has rolled back meanwhile, and the cycle of that event renames the backend.
    return count


def show_live(services: Services, project: Project, *, tasks: int) -> None:
    """Show the live version's predictions to annotators; they are stored for all open ones of the project's `tasks` tasks.

    Raises
    ------
    LabelStudioError
        If the project has no backend at our address, or Label Studio cannot reach it.
    """
    rename_backend(services.label_studio, project.id, url=services.settings.public_url, title=project.live_name)
    services.registry.set_published(project.id, project.live_version, tasks=tasks)


def prune_old(services: Services, project: Project, annotations: Sequence[Annotation], lease: threading.Event) -> int:
    """Delete predictions of old versions while no annotator works; return how many.

    Those of the live version and the previous one are kept: Label Studio refuses an annotation that was begun from a deleted
    prediction, so an annotator who has such a task open could not submit. Predictions that an annotation was made from are kept
    too. Pruning stops when an event arrives, when the lease is lost, and after `PRUNE_FOR_S`.
    """
    newest = max((datetime.fromisoformat(annotation.updated_at) for annotation in annotations), default=None)
    if newest is not None and (datetime.now(UTC) - newest).total_seconds() < QUIET_BEFORE_PRUNING_S:
        return 0
    versions = services.registry.versions(project.id)
    recent = {project.live_version}
    earlier = [version.number for version in versions if version.verdict in (BASE, LIVE, RETIRED)]
    recent |= set([number for number in earlier if number not in recent][-1:])
    stale = [version.name for version in versions if version.number not in recent]
    pending, until = services.pending_events.pending(), time.monotonic() + PRUNE_FOR_S

    def may_continue() -> bool:
        return not lease.is_set() and time.monotonic() < until and services.pending_events.pending() == pending

    services.prediction_records.keep_versions(project.id, recent)
    deleted_count = prune(services.label_studio, project.id, stale, annotations=annotations, keep_going=may_continue)
    if deleted_count:
        log.info("event=pruned project=%d deleted=%d", project.id, deleted_count)
    return deleted_count
