"""Forget a project: delete all data of this installation about it; Label Studio's data are not changed."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session

from backend.jobs.lease import hold_lease, holder
from backend.jobs.queue_file import QueueUnavailable
from backend.registry.tables import Base, ProcessRow, ProjectRow
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.jobs.queue import JobQueue

__all__ = ["Installation", "ProjectInUseError", "forget_project"]

RETRY_S = 0.2


class Installation(Protocol):
    """The stores that hold data of projects. `Services` implements it; other implementations do not import neural networks."""

    @property
    def settings(self) -> Settings: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def queue(self) -> JobQueue: ...


class ProjectInUseError(RuntimeError):
    """A worker holds the project, and does not release it in time."""


def forget_project(services: Installation, project_id: int, *, patience_s: float) -> bool:
    """Delete a project's rows, its jobs and its versions' folders.

    Parameters
    ----------
    services : Installation
    project_id : int
    patience_s : float
        Longest time to wait for a worker that works on the project, seconds.

    Returns
    -------
    bool
        Whether the installation had any data of the project.

    Raises
    ------
    ProjectInUseError
        If a worker holds the project for longer; then nothing is deleted.
    """
    versions = services.settings.versions_dir / str(project_id)
    if not _is_known(services, project_id):
        is_registered = versions.exists()
        shutil.rmtree(versions, ignore_errors=True)
        return is_registered
    until = time.monotonic() + patience_s
    while True:
        with hold_lease(services.engine, project_id, seconds=services.settings.lease_s) as lease:
            if lease is not None:
                _delete(services, project_id)
                return True
        if time.monotonic() >= until:
            break
        time.sleep(RETRY_S)
    lease_holder = holder(services.engine, project_id)
    who = lease_holder.name if lease_holder else "a worker"
    raise ProjectInUseError(f"project {project_id} is used by {who}: stop it, or run the command again when it has finished")


def _is_known(services: Installation, project_id: int) -> bool:
    with Session(services.engine) as session:
        return session.get(ProjectRow, project_id) is not None


def _delete(services: Installation, project_id: int) -> None:
    versions = services.settings.versions_dir / str(project_id)
    renamed_folder = versions.with_name(f".forgotten-{uuid.uuid4().hex}")
    # Every table with a project_id, also those of later migrations; tables with foreign keys before the tables they refer to.
    tables = [table for table in reversed(Base.metadata.sorted_tables) if "project_id" in table.c]
    with Session(services.engine) as session:
        for table in tables:
            if table.name != ProcessRow.__tablename__:
                session.execute(delete(table).where(table.c.project_id == project_id))
        session.execute(delete(ProjectRow).where(ProjectRow.id == project_id))
        if versions.exists():  # one atomic rename, so that a project that is attached again never reads half of the versions
            os.replace(versions, renamed_folder)
        session.commit()
    shutil.rmtree(renamed_folder, ignore_errors=True)
    with suppress(QueueUnavailable):  # a job of an unregistered project does nothing
        services.queue.forget(project_id)
