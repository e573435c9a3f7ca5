"""Checks that server and worker are alive, and the difference between the clocks of this machine and the database."""

from __future__ import annotations

import time

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.doctor.report import Check
from backend.jobs.heartbeat import Kind
from backend.jobs.liveness import describe_processes, is_alive
from backend.registry.connection import read_clock

__all__ = ["MAX_DIFFERENCE_S", "check_process", "database_ahead_s"]

MAX_DIFFERENCE_S = 30.0
"""Largest allowed difference of two clocks: half of the minute by which the client renews an access token before it expires."""


def check_process(engine: Engine, kind: Kind) -> Check:
    """Check that a process of a kind is alive."""
    return Check(kind, is_alive(engine, kind), describe_processes(engine, kind))


def database_ahead_s(engine: Engine) -> float:
    """Return the difference between the database's clock and this machine's, seconds; positive if the database is ahead."""
    with Session(engine) as session:
        return read_clock(session) - time.time()
