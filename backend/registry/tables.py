"""The registry's tables: projects with their pending events, versions, annotators' effort, and running processes.

The database is SQLite by default, and PostgreSQL if several machines share the work (`connection.py`).
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import JSON, Engine, ForeignKey, false
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = [
    "Base",
    "EffortRow",
    "PredictionRow",
    "ProcessRow",
    "ProjectRow",
    "QueueRow",
    "ReportRow",
    "UnreadableRow",
    "VersionRow",
    "WorkerFiguresRow",
    "insert_of",
]

VERSION_TAG_BYTES = 3
"""Length of a project's random tag, bytes: one in 16 million pairs of projects has the same tag."""


class Base(DeclarativeBase):
    """Declarative base of the tables below; its metadata is the target of the migrations."""

    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012  (SQLAlchemy reads it from the class)


class ProjectRow(Base):
    """One Label Studio project.

    `events_first_at` and `events_last_at` are the times of the first and the last pending event. `lease_owner` names the worker
    that holds the project and `lease_until` the time when its lease expires, so that another worker takes over the project of
    a killed one. `origin` identifies the project beyond its number (`sync.label_studio.projects.ProjectState`). `away` is
    "gone" for a project that is deleted in Label Studio, "detached" for one without this backend, and empty otherwise.
    `version_tag` is random and part of the names of the project's versions. The live version of a `pinned` project stays live,
    whatever the gate measures. `encoder` is the fingerprint of the encoder that a user has chosen for the project, or empty for
    that of the settings. All times are Unix seconds.
    """

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label_config: Mapped[str]
    extra_params: Mapped[dict[str, Any]] = mapped_column(default=dict)
    version_tag: Mapped[str] = mapped_column(default=lambda: secrets.token_hex(VERSION_TAG_BYTES))
    live_version: Mapped[int | None]
    published_version: Mapped[int | None]
    published_tasks: Mapped[int] = mapped_column(default=0)
    events_first_at: Mapped[float | None]
    events_last_at: Mapped[float | None]
    training_requested_at: Mapped[float | None]
    lease_owner: Mapped[str | None]
    lease_until: Mapped[float] = mapped_column(default=0.0)
    status: Mapped[str] = mapped_column(default="waiting for the first annotations")
    status_at: Mapped[float] = mapped_column(default=0.0)
    origin: Mapped[str] = mapped_column(default="", server_default="")
    away: Mapped[str] = mapped_column(default="", server_default="")
    away_since: Mapped[float] = mapped_column(default=0.0, server_default="0")
    pinned: Mapped[bool] = mapped_column(default=False, server_default=false())
    encoder: Mapped[str] = mapped_column(default="", server_default="")


class VersionRow(Base):
    """One version of a project: immutable except for its verdict, evidence, heads and the effort with its predictions.

    `heads` is written with the verdict, in one transaction. It maps a control to the number of the version whose folder holds
    its head; the heads of all other controls are in the version's own folder. `encoder` is the fingerprint of the encoder that
    the version's own heads for classes and numbers were trained on; empty in rows of earlier releases.
    """

    __tablename__ = "versions"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    created_at: Mapped[float]
    config_hash: Mapped[str]
    fingerprint: Mapped[str]
    learned_from: Mapped[int]
    verdict: Mapped[str]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    effort: Mapped[dict[str, Any]] = mapped_column(default=dict)
    heads: Mapped[dict[str, Any]] = mapped_column(default=dict)
    encoder: Mapped[str] = mapped_column(default="", server_default="")


class EffortRow(Base):
    """Effort of one annotation that started from a prediction; `VersionRow.effort` holds the sums.

    `version` is None if the prediction was deleted or comes from another model. `updated_at` is copied from the annotation; the
    effort is measured again only if it has changed. `seconds` is the annotation's `lead_time`; None if Label Studio has none,
    or if an older release measured the effort.
    """

    __tablename__ = "efforts"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    updated_at: Mapped[str]
    version: Mapped[int | None]
    effort: Mapped[dict[str, Any]] = mapped_column(default=dict)
    seconds: Mapped[float | None]


class PredictionRow(Base):
    """The input of a version's prediction of a task (`backend/prediction/records.py`); Label Studio lists the stored ones."""

    __tablename__ = "predictions"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    task_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data_hash: Mapped[str]
    failed_at: Mapped[float | None]


class UnreadableRow(Base):
    """One annotation that is unreadable for one control (`unreadable.py`)."""

    __tablename__ = "unreadable"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotation_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    control: Mapped[str] = mapped_column(primary_key=True)
    task_id: Mapped[int]
    reason: Mapped[str]
    left_out: Mapped[bool]


class ProcessRow(Base):
    """One server or worker and its last heartbeat (`backend/jobs/heartbeat.py`), in Unix seconds by the database's clock."""

    __tablename__ = "processes"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    host: Mapped[str]
    pid: Mapped[int]
    started_at: Mapped[float]
    seen_at: Mapped[float]
    turned_at: Mapped[float]
    ended_at: Mapped[float | None]
    project_id: Mapped[int | None]
    working_since: Mapped[float | None]


class ReportRow(Base):
    """The newest report of a project as JSON (`backend/reports/report.py`), and when it was made, in Unix seconds."""

    __tablename__ = "reports"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    made_at: Mapped[float]
    content: Mapped[str]


class QueueRow(Base):
    """The order that a user requested for a project's queue, and the tasks that the worker has placed at its front."""

    __tablename__ = "queues"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    request: Mapped[dict[str, Any]] = mapped_column(default=dict)
    front: Mapped[dict[str, Any]] = mapped_column(default=dict)


class WorkerFiguresRow(Base):
    """Counts and times of all cycles and trainings of a project (`worker_figures.py`); times are seconds."""

    __tablename__ = "worker_figures"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    cycles: Mapped[int] = mapped_column(default=0)
    cycle_seconds: Mapped[float] = mapped_column(default=0.0)
    failed_cycles: Mapped[int] = mapped_column(default=0)
    trainings: Mapped[int] = mapped_column(default=0)
    training_seconds: Mapped[float] = mapped_column(default=0.0)
    last_training_seconds: Mapped[float | None]


def insert_of(engine: Engine) -> Any:
    """Return the dialect's `insert`, which has `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return sqlite_insert if engine.dialect.name == "sqlite" else postgresql_insert
