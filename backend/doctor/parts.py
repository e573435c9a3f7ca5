"""Database and queue of an installation, opened without the neural networks that a server loads."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from backend.jobs.pending import PendingEvents
from backend.jobs.queue import JobQueue
from backend.registry.database import check_tables, open_database
from backend.registry.store import Registry
from backend.settings import Settings

__all__ = ["Parts", "open_parts"]


@dataclass(frozen=True, slots=True)
class Parts:
    """Database and queue of an installation."""

    settings: Settings
    engine: Engine
    registry: Registry
    pending_events: PendingEvents
    queue: JobQueue


def open_parts(settings: Settings) -> Parts:
    """Open database and queue, and check that both can be used.

    Raises
    ------
    DatabaseUnavailable, QueueUnavailable
        If one of them cannot be used now.
    ValueError
        If one of their URLs is invalid.
    """
    engine = open_database(settings.database, password=settings.database_password.get_secret_value())
    check_tables(engine)
    queue = JobQueue(settings.queue_file, url=settings.queue_url)
    queue.list_queued()
    return Parts(settings, engine, Registry(engine, folder=settings.versions_dir), PendingEvents(engine), queue)
