"""Publication: the live version's predictions reach Label Studio, in an order that never leaves it half switched.

First the new predictions are stored in bulk, then the backend is renamed, since Label Studio shows and samples by the version
that the backend's title names, and only then older predictions are pruned.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from backend.loop.publication.store import Storing
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.annotations import Annotation
from sync.label_studio.projects import ProjectState, rename_backend
from sync.label_studio.pruning import prune
from sync.label_studio.tasks import read_tasks

__all__ = ["prune_old", "publish", "show_live"]

log = logging.getLogger("galaxyloop.publish")

QUIET_BEFORE_PRUNING_S = 60.0
"""Each deletion locks Label Studio's SQLite for a moment: pruning waits until nobody has annotated for so long."""
LONGEST_PRUNING_S = 60.0
"""Pruning in one cycle: a worker looks after other projects too. The next cycle goes on."""


def publish(services: Services, project: Project, state: ProjectState, annotations: Sequence[Annotation]) -> int:
    """Store what is missing of the live version's predictions for the tasks still to do, and make again what no longer holds.

    It is looked for task by task, not by counting: a task comes to be done again when its annotation is deleted, a new one
    may take the place, and even the id, of a deleted one, and somebody may delete predictions or change a task's data.

    Parameters
    ----------
    annotations : sequence of Annotation
        Predictions that these were made from are kept where they are replaced.

    Returns
    -------
    int
        Predictions stored.
    """
    storing = Storing(services, project)
    due = storing.due(services.tasks(project.id))
    published = project.published_version == project.live_version and project.published_tasks == state.task_count
    if not due and published and state.model_version == project.live_name:
        return 0
    stored = 0
    if due.missing:
        # Read anew: a training of minutes may lie between.
        due = storing.due(read_tasks(services.label_studio, project.id))
        stored += storing.store(due.missing)
    parents = {note.parent_prediction for note in annotations if note.parent_prediction is not None}
    stored += storing.make_again(due.changed, parents=parents)
    stored += storing.try_again(due.failed, parents=parents)
    if services.registry.project(project.id).live_version != project.live_version:
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


def prune_old(services: Services, project: Project, annotations: Sequence[Annotation], lost: threading.Event) -> int:
    """Delete the predictions of versions before the previous one, in a quiet hour; return how many.

    The live version's stay, and the previous one's: Label Studio refuses an annotation that was begun from a prediction that is
    gone, so whoever has such a task open could not submit. So do all that an annotation was made from. It stops when a bell
    rings, when another worker has taken over, and after `LONGEST_PRUNING_S`.
    """
    versions = services.registry.versions(project.id)
    shown = [version for version in versions if version.verdict in ("live", "retired", "base")]
    previous = [version for version in shown if version.number != project.live_version][-1:]
    newest = max((datetime.fromisoformat(note.updated_at) for note in annotations), default=None)
    if newest is not None and (datetime.now(UTC) - newest).total_seconds() < QUIET_BEFORE_PRUNING_S:
        return 0
    kept = {project.live_version, *(version.number for version in previous)}
    stale = [version.name for version in versions if version.number not in kept]
    pending, until = services.pending_events.pending(), time.monotonic() + LONGEST_PRUNING_S

    def undisturbed() -> bool:
        return not lost.is_set() and time.monotonic() < until and services.pending_events.pending() == pending

    services.prediction_records.keep_versions(project.id, kept)
    deleted = prune(services.label_studio, project.id, stale, annotations=annotations, keep_going=undisturbed)
    if deleted:
        log.info("event=pruned project=%d deleted=%d", project.id, deleted)
    return deleted
