"""One worker a project at a time: a lease in the project's row, renewed while it works, free again soon after it dies.

A lock would outlive a killed worker; a lease runs out. It holds on one machine and, over a shared database, on several.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import CursorResult, Engine, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from backend.database import ProjectRow

__all__ = ["LeaseLostError", "lease"]

log = logging.getLogger("galaxyloop.lease")


class LeaseLostError(RuntimeError):
    """Another worker has taken the project over."""


@contextmanager
def lease(engine: Engine, project_id: int, *, seconds: float) -> Iterator[threading.Event | None]:
    """Hold a project while the block runs.

    Parameters
    ----------
    seconds : float
        How long the project stays taken after a kill; it is renewed three times as often.

    Yields
    ------
    Event or None
        Set once the lease is lost; None if another worker holds the project, and then do nothing.
    """
    owner = uuid.uuid4().hex
    if not _take(engine, project_id, owner=owner, seconds=seconds):
        yield None
        return
    lost, done = threading.Event(), threading.Event()

    def renew() -> None:
        while not done.wait(seconds / 3):
            try:
                held = _take(engine, project_id, owner=owner, seconds=seconds)
            except OperationalError as error:
                # Busy or away for a while: the next try tells whether somebody has taken over meanwhile.
                log.warning("event=lease_not_renewed project=%d error=%r", project_id, str(error.orig))
                continue
            if not held:
                lost.set()
                return

    thread = threading.Thread(target=renew, name=f"lease-{project_id}", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()
        with Session(engine) as session:
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id == project_id, ProjectRow.lease_owner == owner)
                .values(lease_owner=None, lease_until=0.0)
            )
            session.commit()


def _take(engine: Engine, project_id: int, *, owner: str, seconds: float) -> bool:
    now = time.time()
    free = (ProjectRow.lease_owner == owner) | (ProjectRow.lease_until < now)
    with Session(engine) as session:
        result = session.execute(
            update(ProjectRow).where(ProjectRow.id == project_id, free).values(lease_owner=owner, lease_until=now + seconds)
        )
        session.commit()
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)
