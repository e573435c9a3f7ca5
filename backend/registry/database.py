"""The registry's database: opened with its tables up to date, and checked for damage.

Alembic migrations upgrade an older database when a process starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DatabaseError

from backend.registry.connection import DatabaseUnavailable, connect, unavailable, wait_for
from backend.registry.tables import Base
from sync.files.lock import hold_lock

__all__ = ["check_tables", "open_database"]

MIGRATION_LOCK = 0x67_61_6C_61_78_79
"""Number of the advisory lock in PostgreSQL, the bytes of "galaxy"; no other program in the database may use it."""


def open_database(url: str, *, password: str = "", patience_s: float = 0.0) -> Engine:
    """Connect to the registry and upgrade its tables.

    Parameters
    ----------
    url, password
        As for `connect`.
    patience_s : float
        Longest time to wait for a database that does not answer yet, seconds.

    Raises
    ------
    ValueError
        As `connect`.
    DatabaseUnavailable
        If the database cannot be used, or a newer release of galaxyloop has written it.
    """
    engine = connect(url, password=password)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _lock_file(engine):
        wait_for(engine, patience_s=patience_s)
        try:
            with engine.begin() as connection:
                _begin_migration(connection)
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except DatabaseError as error:
            raise unavailable(engine, error) from error
        except CommandError as error:
            raise DatabaseUnavailable(
                f"a newer galaxyloop wrote the database {engine.url.database} ({error}): install it, or restore a backup"
            ) from error
    return engine


def check_tables(engine: Engine) -> None:
    """Read a row of every table; check the integrity of a SQLite file with `PRAGMA quick_check`.

    Raises
    ------
    DatabaseUnavailable
        If a table is missing, or the file is damaged.
    """
    try:
        with engine.connect() as connection:
            for table in Base.metadata.sorted_tables:
                connection.execute(select(table).limit(1)).first()
            if engine.dialect.name == "sqlite":
                (result,) = connection.exec_driver_sql("PRAGMA quick_check(1)").one()
                if result != "ok":
                    name = engine.url.database
                    raise DatabaseUnavailable(f"the database {name} is damaged ({result}): restore it from a backup")
    except DatabaseError as error:
        raise unavailable(engine, error) from error


@contextmanager
def _lock_file(engine: Engine) -> Iterator[None]:
    """Exclude other processes of this machine: server and worker start at the same time, and both would create the tables."""
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        yield
        return
    file = Path(engine.url.database)
    with hold_lock(file.with_name(f"{file.name}.lock"), wait=True):
        yield


def _begin_migration(connection: Connection) -> None:
    """Begin a transaction that creates all tables or none; on PostgreSQL, only one such transaction runs on all machines."""
    if connection.dialect.name == "sqlite":
        # Python's driver begins no transaction for CREATE TABLE; without one, a killed process leaves only some of the tables.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))  # held until commit or rollback
