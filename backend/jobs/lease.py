"""One worker a project at a time: a lease in the project's row, which the worker renews and which expires after a kill.

A lock would outlive a killed worker; a lease expires, by the database's clock. It works on one machine and, over a shared
database, on several. A worker that was frozen detects a takeover only at its next renewal. Therefore the transactions that
add or promote a version check the lease themselves (`Registry`, `holder`).

A worker releases the lease at the end of its cycle, unless Label Studio left a request without an answer. Then the lease
expires, as after a kill: Label Studio may still be storing the request's data, and until it has finished no worker may read the
stored predictions and add the missing ones.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import CursorResult, Engine, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from backend.registry.connection import read_clock, reason_of
from backend.registry.records import LeaseLostError
from backend.registry.tables import ProjectRow
from sync.label_studio.client import LabelStudioUnavailable

__all__ = ["Holder", "Lease", "LeaseLostError", "hold_lease", "holder"]

log = logging.getLogger("galaxyloop.lease")

STRAY = 10
"""A lease that lasts this many times longer than the requested time counts as expired: the clock was set back since."""
_MARK = " #"
"""Separator between the readable part of a lease's name and its unique part."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The worker that holds a project, and the time until its lease expires, seconds."""

    name: str
    seconds: float


class Lease(threading.Event):
    """A lease of a project; the event is set once the lease is lost.

    Attributes
    ----------
    name : str
        Of this lease, as in the project's row.
    before : str or None
        Name of the previous lease: if it differs from this process's last one, another process has worked on the project since.
    expires_unreleased : bool
        Whether the lease is not released at the end.
    """

    def __init__(self, name: str, before: str | None) -> None:
        super().__init__()
        self.name = name
        self.before = before
        self.expires_unreleased = False

    def expire_if_unanswered(self, error: LabelStudioUnavailable) -> None:
        """Mark the lease to expire unreleased if Label Studio may still be storing the data of an unanswered request."""
        # A subclass means that the request was not sent; a status below 500 is an answer.
        if type(error) is LabelStudioUnavailable and (error.status is None or error.status >= 500):
            self.expires_unreleased = True


@contextmanager
def hold_lease(engine: Engine, project_id: int, *, seconds: float) -> Iterator[Lease | None]:
    """Hold a project while the block runs.

    Parameters
    ----------
    seconds : float
        Duration of the lease: a killed worker holds the project for so long. A thread renews the lease every third of it.

    Yields
    ------
    Lease or None
        Set once the lease is lost; None if another worker holds the project: then the block must not work on it.
    """
    lease = _take(engine, project_id, seconds=seconds)
    if lease is None:
        yield None
        return
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(seconds / 3):
            try:
                is_held = _renew(engine, project_id, lease.name, seconds=seconds)
            except DatabaseError as error:
                # The database is busy or unreachable: the next renewal detects a takeover.
                log.warning("event=lease_not_renewed project=%d error=%r", project_id, reason_of(error))
                continue
            if not is_held:
                lease.set()
                return

    thread = threading.Thread(target=renew, name=f"lease-{project_id}", daemon=True)
    thread.start()
    try:
        yield lease
    except LabelStudioUnavailable as error:
        lease.expire_if_unanswered(error)
        raise
    finally:
        stop.set()
        thread.join()
        _renew(engine, project_id, lease.name, seconds=seconds if lease.expires_unreleased else None)


def holder(engine: Engine, project_id: int) -> Holder | None:
    """Return the worker that holds a project now; None if it is free."""
    with Session(engine) as session:
        query = select(ProjectRow.lease_owner, ProjectRow.lease_until).where(ProjectRow.id == project_id)
        row = session.execute(query).one_or_none()
        left = 0.0 if row is None else row.lease_until - read_clock(session)
    if row is None or row.lease_owner is None or left < 0:
        return None
    return Holder(row.lease_owner.split(_MARK)[0], left)


def _take(engine: Engine, project_id: int, *, seconds: float) -> Lease | None:
    """Take the lease if it is free; return None if another worker holds it or the project is not registered."""
    project_row = update(ProjectRow).where(ProjectRow.id == project_id)
    with Session(engine) as session:
        # The write locks the row, on either database, until this transaction ends.
        session.execute(project_row.values(lease_until=ProjectRow.lease_until))
        row = session.execute(
            select(ProjectRow.lease_owner, ProjectRow.lease_until).where(ProjectRow.id == project_id)
        ).one_or_none()
        database_time = read_clock(session)
        if row is None or 0 <= row.lease_until - database_time <= STRAY * seconds:
            return None
        lease = Lease(f"process {os.getpid()} on {socket.gethostname()}{_MARK}{uuid.uuid4().hex}", row.lease_owner)
        session.execute(project_row.values(lease_owner=lease.name, lease_until=database_time + seconds))
        session.commit()
    return lease


def _renew(engine: Engine, project_id: int, name: str, *, seconds: float | None) -> bool:
    """Extend the lease by `seconds`, or release it if that is None; return whether it was held."""
    mine = ProjectRow.id == project_id, ProjectRow.lease_owner == name
    with Session(engine) as session:
        until = 0.0 if seconds is None else read_clock(session) + seconds
        result = session.execute(update(ProjectRow).where(*mine).values(lease_until=until))
        session.commit()
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)
