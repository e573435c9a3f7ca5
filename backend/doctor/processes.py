"""Whether server and worker are alive, and agree with the database on the time."""

from __future__ import annotations

import time

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from backend.doctor.report import Check
from backend.jobs.heartbeat import Kind
from backend.jobs.liveness import is_alive, life_of
from backend.registry.connection import read_clock

__all__ = ["MAX_DIFFERENCE_S", "check_process", "database_ahead_s"]

MAX_DIFFERENCE_S = 30.0
"""An access token is renewed a minute before it expires; half of that is left for the request."""


def check_process(engine: Engine, kind: Kind) -> Check:
    """See whether a process of a kind is alive."""
    return Check(kind, is_alive(engine, kind), life_of(engine, kind))


def database_ahead_s(engine: Engine) -> float:
    """Return by how much the database's clock is ahead of this machine's."""
    with Session(engine) as session:
        return read_clock(session) - time.time()
