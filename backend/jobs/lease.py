"""One worker a project at a time: a lease in the project's row, renewed while it works, free again soon after it dies.

A lock would outlive a killed worker; a lease runs out, by the database's clock. It holds on one machine and, over a shared
database, on several. Whoever was frozen and wakes up learns of a takeover only at its next renewal: so what makes a version or
lets one go live asks for the lease in the same transaction (`Registry`, `holder`).

Whoever leaves lets go of it, unless Label Studio left a request without an answer: it may still store what it was sent, and
nobody should look what is stored, and store the rest, before it has. Then the lease runs out, as after a kill.
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
"""A lease that would last this many times longer than ours is none that anybody holds: the clock has been set back since."""
_MARK = " #"
"""Parts what people read of a lease's name from what makes it unique."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a project, and for how many seconds more unless the lease is renewed."""

    who: str
    seconds: float


class Lease(threading.Event):
    """Set once the lease is lost.

    Attributes
    ----------
    name : str
        Of this lease, as it stands in the project's row.
    before : str or None
        Name of the lease before: where it is not this process's own, another has worked on the project meanwhile.
    runs_out : bool
        Whether nobody lets go of it at the end.
    """

    def __init__(self, name: str, before: str | None) -> None:
        super().__init__()
        self.name = name
        self.before = before
        self.left_to_expire = False

    def expire_if_unanswered(self, error: LabelStudioUnavailable) -> None:
        """Leave the lease to run out if Label Studio may still work at what it was sent."""
        # A subclass says that the request never left; and a status below 500 is an answer.
        if type(error) is LabelStudioUnavailable and (error.status is None or error.status >= 500):
            self.left_to_expire = True


@contextmanager
def hold_lease(engine: Engine, project_id: int, *, seconds: float) -> Iterator[Lease | None]:
    """Hold a project while the block runs.

    Parameters
    ----------
    seconds : float
        How long the project stays taken after a kill; it is renewed three times as often.

    Yields
    ------
    Tenure or None
        Set once the lease is lost; None if another worker holds the project, and then do nothing.
    """
    lease = _take(engine, project_id, seconds=seconds)
    if lease is None:
        yield None
        return
    done = threading.Event()

    def renew() -> None:
        while not done.wait(seconds / 3):
            try:
                held = _renew(engine, project_id, lease.name, seconds=seconds)
            except DatabaseError as error:
                # Busy or away for a while: the next try tells whether somebody has taken over meanwhile.
                log.warning("event=lease_not_renewed project=%d error=%r", project_id, reason_of(error))
                continue
            if not held:
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
        done.set()
        thread.join()
        _renew(engine, project_id, lease.name, seconds=seconds if lease.left_to_expire else None)


def holder(engine: Engine, project_id: int) -> Holder | None:
    """Tell who has a project now; None if nobody."""
    with Session(engine) as session:
        asked = select(ProjectRow.lease_owner, ProjectRow.lease_until).where(ProjectRow.id == project_id)
        row = session.execute(asked).one_or_none()
        left = 0.0 if row is None else row.lease_until - read_clock(session)
    if row is None or row.lease_owner is None or left < 0:
        return None
    return Holder(row.lease_owner.split(_MARK)[0], left)


def _take(engine: Engine, project_id: int, *, seconds: float) -> Lease | None:
    """Take the lease if it is free; its owner before stays in the row until then."""
    here = update(ProjectRow).where(ProjectRow.id == project_id)
    with Session(engine) as session:
        # Writing first keeps everybody else out of the row, on either database, until this transaction ends.
        session.execute(here.values(lease_until=ProjectRow.lease_until))
        row = session.execute(
            select(ProjectRow.lease_owner, ProjectRow.lease_until).where(ProjectRow.id == project_id)
        ).one_or_none()
        now = read_clock(session)
        if row is None or 0 <= row.lease_until - now <= STRAY * seconds:
            return None
        lease = Lease(f"process {os.getpid()} on {socket.gethostname()}{_MARK}{uuid.uuid4().hex}", row.lease_owner)
        session.execute(here.values(lease_owner=lease.name, lease_until=now + seconds))
        session.commit()
    return lease


def _renew(engine: Engine, project_id: int, name: str, *, seconds: float | None) -> bool:
    """Hold the lease for `seconds` more, or let go of it; tell whether it was held."""
    mine = ProjectRow.id == project_id, ProjectRow.lease_owner == name
    with Session(engine) as session:
        until = 0.0 if seconds is None else read_clock(session) + seconds
        result = session.execute(update(ProjectRow).where(*mine).values(lease_until=until))
        session.commit()
    assert isinstance(result, CursorResult)
    return bool(result.rowcount)
