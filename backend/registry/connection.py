"""The connection to the registry's database: SQLite on one machine, PostgreSQL on several.

It waits for a database that is still starting, and reconnects after a restart of the database. It also reads the database's
clock: the clocks of machines differ, and every machine must compare the expiry of a lease with the same clock.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Double, Engine, cast, create_engine, event, extract, func, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, IntegrityError, OperationalError
from sqlalchemy.orm import Session
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

__all__ = ["DatabaseUnavailable", "connect", "is_unusable", "read_clock", "reason_of", "unavailable", "wait_for"]

log = logging.getLogger("galaxyloop.database")

BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
ABANDONED_S = 60
RETRY_S = 2.0
OLDEST_SQLITE = (3, 35)
"""Oldest SQLite that drops a column, as a migration does."""


class DatabaseUnavailable(RuntimeError):  # noqa: N818 - a state to wait out rather than an error
    """The database cannot be used now; the message names the database, without its password, and the reason."""


def connect(url: str, *, password: str = "") -> Engine:
    """Create the engine of a database, without opening a connection.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME``; the folder of FILE is created if it is missing.
    password : str
        Password for PostgreSQL, if the URL has none.

    Raises
    ------
    ValueError
        If the URL is invalid or names another kind of database, SQLite is too old, or the PostgreSQL driver is not installed.
    """
    try:
        database_url = make_url(url)
    except ArgumentError as error:
        raise ValueError("GALAXYLOOP_DATABASE_URL is not a URL such as postgresql://galaxyloop@postgres/galaxyloop") from error
    kind = database_url.get_backend_name()
    if kind == "sqlite":
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            oldest = ".".join(map(str, OLDEST_SQLITE))
            raise ValueError(
                f"this Python has SQLite {sqlite3.sqlite_version}, and {oldest} is needed: use a newer Python, or name a "
                "PostgreSQL database in GALAXYLOOP_DATABASE_URL"
            )
        if database_url.database not in (None, "", ":memory:"):
            Path(database_url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(database_url)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if kind != "postgresql":
        raise ValueError(f"GALAXYLOOP_DATABASE_URL must be a sqlite or postgresql URL, not {kind}")
    if find_spec("psycopg") is None:
        raise ValueError("a PostgreSQL database needs psycopg: pip install 'galaxyloop[services]'")
    database_url = database_url.set(drivername="postgresql+psycopg", password=database_url.password or password or None)
    # Without the timeout, a machine that is lost in the middle of a transaction locks the project's row for hours.
    options = f"-c idle_in_transaction_session_timeout={ABANDONED_S}s"
    # The ping detects connections that a restart of the database has closed; SQLAlchemy then opens new ones.
    return create_engine(
        database_url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": options}
    )


def wait_for(engine: Engine, *, patience_s: float) -> None:
    """Wait until the database accepts a connection; log each failed attempt.

    Parameters
    ----------
    engine : Engine
    patience_s : float
        Longest time to retry, seconds.

    Raises
    ------
    DatabaseUnavailable
        If the database cannot be used.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_after_delay(patience_s),
        wait=wait_fixed(RETRY_S),
        before_sleep=lambda state: _log_waiting(engine.url, state),
        reraise=True,
    )
    try:
        attempts(lambda: engine.connect().close())
    except DatabaseError as error:
        raise unavailable(engine, error) from error


def unavailable(engine: Engine, error: DatabaseError) -> DatabaseUnavailable:
    """Return an error that names the database, the reason, and for a damaged SQLite file what to do."""
    is_damaged = engine.dialect.name == "sqlite" and not isinstance(error, OperationalError)
    remedy = "; restore it from a backup, or move it away to start without versions" if is_damaged else ""
    return DatabaseUnavailable(f"the database {_name(engine.url)} cannot be used: {reason_of(error)}{remedy}")


def is_unusable(error: DatabaseError) -> bool:
    """Return whether the database itself failed (not reachable, full, damaged), rather than the data of the statement."""
    return not isinstance(error, (DataError, IntegrityError))


def read_clock(session: Session) -> float:
    """Return the time by the clock that all processes of the database share, Unix seconds.

    The processes that share a SQLite file run on one machine and read its clock; PostgreSQL is asked for the server's time.
    """
    if session.get_bind().dialect.name == "sqlite":
        return time.time()
    # Not now(): it returns the start of the transaction, which may have waited for a lock since.
    return float(session.scalars(select(cast(extract("epoch", func.clock_timestamp()), Double))).one())


def reason_of(error: DatabaseError) -> str:
    """Return the first line of the driver's error message."""
    return str(error.orig).strip().splitlines()[0]


def _name(url: URL) -> str:
    """Return the name of the database for a message, without its password."""
    return str(url.database) if url.host is None else f"{url.database} at {url.host}:{url.port or 5432}"


def _log_waiting(url: URL, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    reason = reason_of(error) if isinstance(error, OperationalError) else ""
    log.warning("event=waiting_for_database database=%r reason=%r", _name(url), reason)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # With write-ahead logging the server reads while the worker writes. With NORMAL a killed process loses no transaction.
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
