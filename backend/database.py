"""The registry's tables: projects, their versions, the bell that events ring, and what annotators did with predictions.

SQLite by default; any SQLAlchemy URL works. Alembic migrations bring an older database up to date when a process starts.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import JSON, Engine, ForeignKey, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "EffortRow", "ProjectRow", "VersionRow", "open_database"]

BUSY_TIMEOUT_MS = 10_000


class Base(DeclarativeBase):
    """Declares the tables below; migrations are compared with it."""

    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012  (SQLAlchemy reads it from the class)


class ProjectRow(Base):
    """One Label Studio project.

    The bell is two times: since when events wait for an answer, and when the last one came. The lease says which worker
    looks after the project and until when, so that a killed worker's project is taken over.
    """

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label_config: Mapped[str]
    extra_params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    live_version: Mapped[int | None]
    published_version: Mapped[int | None]
    published_tasks: Mapped[int] = mapped_column(default=0)
    bell_first_at: Mapped[float | None]
    bell_last_at: Mapped[float | None]
    training_requested: Mapped[bool] = mapped_column(default=False)
    lease_owner: Mapped[str | None]
    lease_until: Mapped[float] = mapped_column(default=0.0)
    status: Mapped[str] = mapped_column(default="waiting for the first annotations")
    status_at: Mapped[float] = mapped_column(default=0.0)


class VersionRow(Base):
    """One version of a project: immutable but for its verdict and for what annotators do with its predictions."""

    __tablename__ = "versions"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[float]
    config_hash: Mapped[str]
    fingerprint: Mapped[str]
    learned_from: Mapped[int]
    verdict: Mapped[str]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    effort: Mapped[dict[str, Any]] = mapped_column(default=dict)


class EffortRow(Base):
    """What one annotation made of the prediction that it was begun from; the sums stand with the version.

    Without a version its prediction is gone, or is none of ours. `updated_at` is the annotation's: while it stays the same,
    there is nothing to measure again.
    """

    __tablename__ = "efforts"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    updated_at: Mapped[str]
    version: Mapped[int | None]
    effort: Mapped[dict[str, Any]] = mapped_column(default=dict)


def open_database(url: str) -> Engine:
    """Connect to the registry and bring its tables up to date."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with _alone(engine), engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Python's driver begins no transaction for CREATE TABLE: a kill halfway would leave tables half made.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return engine


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Keep out other processes: server and worker start at the same moment, and both would make the tables.

    The kernel lets go of the lock when a process is killed.
    """
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        yield
        return
    file = Path(engine.url.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Write-ahead logging lets the server read while the worker writes; NORMAL loses nothing when a process is killed.
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
