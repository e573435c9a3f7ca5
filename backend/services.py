"""What a process of galaxyloop works with, opened once from the settings and handed down; nothing here is global."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from backend.images.open import open_caches, open_image_store
from backend.jobs.pending import PendingEvents
from backend.jobs.queue import JobQueue, QueueUnavailable
from backend.prediction.live import LivePredictors
from backend.prediction.records import PredictionRecords
from backend.registry.records import Project
from backend.registry.store import Registry
from backend.registry.tables import open_database
from backend.settings import Settings
from sync.label_studio.annotations import Annotation, AnnotationReader
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.tasks import Task

__all__ = ["Services"]

log = logging.getLogger("galaxyloop.services")


class Services:
    """Registry, bell, queue, Label Studio and annotators of one process.

    Parameters
    ----------
    settings : Settings
        Opening them makes the data folder and its database where they are missing.
    database_patience_s : float
        How long to wait for a database that does not answer yet, seconds.
    """

    def __init__(self, settings: Settings, *, database_patience_s: float = 0.0) -> None:
        self.settings = settings
        password = settings.database_password.get_secret_value()
        self.engine = open_database(settings.database, password=password, patience_s=database_patience_s)
        self.registry = Registry(self.engine, folder=settings.versions_dir)
        self.pending_events = PendingEvents(self.engine)
        self.prediction_records = PredictionRecords(self.engine)
        self.queue = JobQueue(settings.queue_file, url=settings.queue_url)
        # By project and version: tasks whose predictions are stored, with the score where this process has computed it.
        self.predicted: dict[tuple[int, int], dict[int, float | None]] = {}
        # By project and version: when Label Studio was last asked task by task, and how many tasks had more than one then.
        self.looked: dict[tuple[int, int], tuple[float, int]] = {}
        # Projects, tasks and hashes of their data whose pictures this process has seen ahead.
        self.prefetched: set[tuple[int, int, str]] = set()
        # By project: what of each annotation could be read for each control; kept while annotation and config stay the same.
        self.readings: dict[int, dict[tuple[int, str, str], dict[str, tuple[str, str]]]] = {}
        self._readers: dict[int, AnnotationReader] = {}
        self._held: dict[int, str] = {}  # the name of the last lease that this process had of each project

    @cached_property
    def label_studio(self) -> LabelStudioClient:
        """The connection to Label Studio."""
        return LabelStudioClient(self.settings.label_studio_url, self.settings.label_studio_api_key.get_secret_value())

    def annotations(self, project_id: int, *, label_config: str) -> list[Annotation]:
        """A project's annotations as they stand in Label Studio now.

        Only what has changed since the last look travels, and all of it where the labelling config has changed.
        """
        reader = self._readers.setdefault(project_id, AnnotationReader(self.label_studio, project_id))
        return reader.read(label_config=label_config)

    def tasks(self, project_id: int) -> list[Task]:
        """A project's tasks as they stood when its annotations were last read."""
        return self._readers[project_id].tasks

    @cached_property
    def predictors(self) -> LivePredictors:
        """The live annotator of each project."""
        settings = self.settings
        cache, maps = open_caches(settings)
        image_store = open_image_store(settings, cache, authorization=lambda: self.label_studio.authorization())
        return LivePredictors(self.registry, image_store, cache, maps, sam_checkpoint=settings.sam_checkpoint)

    def register_project(self, project_id: int, *, label_config: str, extra_params: dict[str, Any] | None) -> Project:
        """Record what Label Studio says of a project, and ring if its labelling config has changed."""
        try:
            before = self.registry.project(project_id).label_config
        except LookupError:
            before = None
        project = self.registry.register_project(project_id, label_config=label_config, extra_params=extra_params)
        if before != label_config:
            self.mark([project_id])
        return project

    def resume_lease(self, project_id: int, lease: str, *, before: str | None) -> None:
        """Take up a project under a new lease; forget what was stored for it if another process has had it meanwhile."""
        if before != self._held.get(project_id):
            self.predicted = {key: stored for key, stored in self.predicted.items() if key[0] != project_id}
            self._readers.pop(project_id, None)
        self._held[project_id] = lease

    def mark(self, project_ids: Iterable[int]) -> None:
        """Ring the bells of projects and queue the answers."""
        for project_id in self.pending_events.mark(project_ids):
            self.schedule(project_id, delay_s=self.settings.webhook_debounce_s)

    def mark_now(self, project_id: int) -> None:
        """Ring a project's bell for an answer that waits for nothing: someone has given a command."""
        self.pending_events.mark_now(project_id)
        self.schedule(project_id, delay_s=0)

    def request_training(self, project_id: int) -> None:
        """Ask for a training whatever number of annotations has gathered."""
        for woken in self.pending_events.request_training(project_id):
            self.schedule(woken, delay_s=self.settings.webhook_debounce_s)

    def schedule(self, project_id: int, *, delay_s: float) -> None:
        """Queue an answer to a project's bell; where the queue is away, that it rings must do."""
        try:
            self.queue.schedule(project_id, delay_s=delay_s)
        except QueueUnavailable as error:
            # Every minute the worker looks for bells that nobody has queued.
            log.warning("event=not_queued project=%d error=%r", project_id, str(error))
