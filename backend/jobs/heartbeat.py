"""Heartbeats: server and worker write a row every few seconds; commands read from it which of them run.

A separate thread writes, so that a training of ten minutes does not interrupt the heartbeats. It also writes the time of the
main loop's last iteration and the project that the process works on: a process with a stuck loop is reported as stuck.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine, delete, or_, select
from sqlalchemy.exc import DatabaseError, SQLAlchemyError
from sqlalchemy.orm import Session

from backend.registry.connection import read_clock, reason_of
from backend.registry.tables import ProcessRow

__all__ = ["BEAT_S", "KINDS", "Heartbeat", "Kind", "Process", "read_processes"]

log = logging.getLogger("galaxyloop.heartbeat")

Kind = Literal["server", "worker"]
KINDS: tuple[Kind, ...] = ("server", "worker")
State = Literal["alive", "stuck", "lost", "ended"]

BEAT_S = 10.0
LOST_AFTER_S = 35.0
"""Age of a heartbeat after which a process counts as lost: three missed heartbeats, and five seconds for a busy machine."""
STUCK_AFTER_S = {"server": 60.0, "worker": 180.0}
"""Time without an iteration of the main loop after which a process counts as stuck.

The server's event loop records an iteration at every heartbeat, an idle worker's loop once a minute."""
FORGET_AFTER_S = 3600.0
"""A starting process deletes the rows of processes of its kind without a heartbeat for so long."""


@dataclass(frozen=True, slots=True)
class Process:
    """A server or worker at the moment it was read; ages are seconds by the database's clock.

    Attributes
    ----------
    kind : {"server", "worker"}
    host : str
    pid : int
    seen_s : float
        Time since its last heartbeat.
    iterated_s : float
        Time since the last iteration of its main loop.
    ended : bool
        Whether it ended regularly.
    project_id : int or None
        Project that it works on.
    working_s : float or None
        Time since it began to work on that project.
    """

    kind: Kind
    host: str
    pid: int
    seen_s: float
    iterated_s: float
    ended: bool
    project_id: int | None
    working_s: float | None

    @property
    def state(self) -> State:
        if self.ended:
            return "ended"
        if self.seen_s > LOST_AFTER_S:
            return "lost"
        if self.project_id is None and self.iterated_s > STUCK_AFTER_S[self.kind]:
            return "stuck"
        return "alive"

    @property
    def alive(self) -> bool:
        """Whether it runs and can work: its last heartbeat is recent, and its loop iterates or it works on a project."""
        return self.state == "alive"


class Heartbeat:
    """Writes one process's heartbeats while `run`.

    Parameters
    ----------
    engine : Engine
        Of the registry.
    kind : {"server", "worker"}
    every_s : float
        Seconds between two heartbeats.
    """

    def __init__(self, engine: Engine, kind: Kind, *, every_s: float = BEAT_S) -> None:
        self._engine = engine
        self._kind: Kind = kind
        self._every_s = every_s
        self._id = uuid.uuid4().hex
        self._iterated_at = time.monotonic()
        self._work: tuple[int, float] | None = None  # project and since when, by the monotonic clock

    def record_iteration(self) -> None:
        """Record an iteration of the main loop."""
        self._iterated_at = time.monotonic()

    @contextmanager
    def record_work(self, project_id: int) -> Iterator[None]:
        """Record that the main loop works on a project while the block runs."""
        self._work = project_id, time.monotonic()
        self._write_or_log()
        try:
            yield
        finally:
            self._work = None
            self.record_iteration()
            self._write_or_log()

    @contextmanager
    def run(self) -> Iterator[Heartbeat]:
        """Write heartbeats until the block ends, then record that the process has ended."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self._every_s):
                self._write_or_log()

        self._write_or_log()
        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()
            self._write_or_log(ended=True)

    def _write_or_log(self, *, ended: bool = False) -> None:
        try:
            self._write(ended=ended)
        except SQLAlchemyError as error:  # any database error: the thread must go on and write the next heartbeat
            reason = reason_of(error) if isinstance(error, DatabaseError) else type(error).__name__
            log.warning("event=heartbeat_not_written reason=%r", reason)

    def _write(self, *, ended: bool) -> None:
        work = self._work
        with Session(self._engine) as session:
            database_time, local_time = read_clock(session), time.monotonic()
            row = session.get(ProcessRow, self._id)
            if row is None:
                row = self._new_row(session, database_time)
            row.seen_at = database_time
            row.turned_at = database_time - (local_time - self._iterated_at)
            row.ended_at = database_time if ended else None
            row.project_id, row.working_since = (
                (None, None) if work is None else (work[0], database_time - (local_time - work[1]))
            )
            session.commit()

    def _new_row(self, session: Session, database_time: float) -> ProcessRow:
        """Add this process; delete the rows of processes of its kind that ended or had no heartbeat for `FORGET_AFTER_S`."""
        old = or_(ProcessRow.ended_at.is_not(None), ProcessRow.seen_at < database_time - FORGET_AFTER_S)
        session.execute(delete(ProcessRow).where(ProcessRow.kind == self._kind, old))
        row = ProcessRow(id=self._id, kind=self._kind, host=socket.gethostname(), pid=os.getpid(), started_at=database_time)
        session.add(row)
        return row


def read_processes(engine: Engine, kind: Kind) -> list[Process]:
    """Read the processes of a kind: those alive first, then by the age of their last heartbeat."""
    with Session(engine) as session:
        database_time = read_clock(session)
        rows = session.scalars(select(ProcessRow).where(ProcessRow.kind == kind)).all()
        processes = [
            Process(
                kind=kind,
                host=row.host,
                pid=row.pid,
                # After the clock was set back, a time may lie in the future: a process that runs corrects it within `BEAT_S`.
                seen_s=abs(database_time - row.seen_at),
                iterated_s=abs(database_time - row.turned_at),
                ended=row.ended_at is not None,
                project_id=row.project_id,
                working_s=None if row.working_since is None else max(0.0, database_time - row.working_since),
            )
            for row in rows
        ]
    return sorted(processes, key=lambda process: (not process.alive, process.seen_s))
