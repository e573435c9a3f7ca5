"""The services of one process, opened once from the settings and passed as arguments; none of them is global."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from backend.jobs.pending import PendingEvents
from backend.jobs.queue_file import QueueUnavailable, check_queue_file
from backend.lvm.encoder_store import EncoderStore
from backend.registry.database import open_database
from backend.registry.records import Project
from backend.registry.store import Registry
from backend.settings import Settings
from sync.label_studio.client import LabelStudioClient

if TYPE_CHECKING:
    from backend.jobs.queue import JobQueue
    from backend.prediction.live import LivePredictors
    from backend.prediction.records import PredictionRecords

__all__ = ["Services"]

log = logging.getLogger("galaxyloop.services")


class Services:
    """Registry, pending events, queue, Label Studio and predictors of one process.

    Opening them creates the data folder and its database if they are missing.

    Parameters
    ----------
    settings : Settings
    database_patience_s : float
        Longest time to wait for a database that does not answer yet, seconds.
    """

    def __init__(self, settings: Settings, *, database_patience_s: float = 0.0) -> None:
        self.settings = settings
        password = settings.database_password.get_secret_value()
        self.engine = open_database(settings.database, password=password, patience_s=database_patience_s)
        self.registry = Registry(self.engine, folder=settings.versions_dir)
        self.pending_events = PendingEvents(self.engine)
        if settings.queue_url:
            self.queue  # noqa: B018 - an invalid URL ends the process here and not at the first event
        else:
            check_queue_file(settings.queue_file)

    @cached_property
    def queue(self) -> JobQueue:
        """The job queue."""
        from backend.jobs.queue import JobQueue  # huey imports redis and psycopg where they are installed, .3 s

        return JobQueue(self.settings.queue_file, url=self.settings.queue_url)

    @cached_property
    def prediction_records(self) -> PredictionRecords:
        """The records of predictions."""
        from backend.prediction.records import PredictionRecords  # imports scipy.ndimage, as slow as all other imports

        return PredictionRecords(self.engine)

    @cached_property
    def encoders(self) -> EncoderStore:
        """The encoders of the data folder."""
        return EncoderStore(self.settings.encoders_dir)

    @cached_property
    def label_studio(self) -> LabelStudioClient:
        """The client of Label Studio."""
        return LabelStudioClient(self.settings.label_studio_url, self.settings.label_studio_api_key.get_secret_value())

    @cached_property
    def predictors(self) -> LivePredictors:
        """The live predictors of all projects."""
        # Imported here: torch and astropy take seconds, and most commands need no predictor.
        from backend.images.open import open_caches, open_image_store
        from backend.prediction.live import LivePredictors

        settings = self.settings
        cache, maps = open_caches(settings)
        image_store = open_image_store(settings, cache, authorization=lambda: self.label_studio.authorization())
        return LivePredictors(
            self.registry,
            image_store,
            cache,
            maps,
            encoders=self.encoders,
            sam_checkpoint=settings.sam_checkpoint,
            data_dir=settings.data_dir,
        )

    def register_project(self, project_id: int, *, label_config: str, extra_params: dict[str, Any] | None) -> Project:
        """Record a project's labelling config and extra parameters; mark the project if the config has changed."""
        try:
            previous = self.registry.project(project_id).label_config
        except LookupError:
            previous = None
        project = self.registry.register_project(project_id, label_config=label_config, extra_params=extra_params)
        if previous != label_config:
            self.mark([project_id])
        return project

    def mark(self, project_ids: Iterable[int]) -> None:
        """Mark projects as having pending events, and queue their cycles."""
        for project_id in self.pending_events.mark(project_ids):
            self.schedule(project_id, delay_s=self.settings.webhook_debounce_s)

    def mark_now(self, project_id: int) -> None:
        """Mark a project for a cycle without debounce, after a command of a user."""
        self.pending_events.mark_now(project_id)
        self.schedule(project_id, delay_s=0)

    def request_training(self, project_id: int) -> None:
        """Request a training regardless of the number of new annotations."""
        for project_row in self.pending_events.request_training(project_id):
            self.schedule(project_row, delay_s=self.settings.webhook_debounce_s)

    def schedule(self, project_id: int, *, delay_s: float) -> None:
        """Queue a cycle; if the queue is unavailable, log it: the pending mark in the registry suffices."""
        try:
            self.queue.schedule(project_id, delay_s=delay_s)
        except QueueUnavailable as error:
            # Once a minute the worker queues the cycles of marked projects that have no job.
            log.warning("event=not_queued project=%d error=%r", project_id, str(error))
