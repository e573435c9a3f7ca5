"""The registry's projects: their labelling configs, their status, and what is published."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from backend.registry.records import BASE, Project, RegistryError, config_hash, new_version_name
from backend.registry.rows import PROJECTS, project_of
from backend.registry.tables import ProjectRow, VersionRow, insert_of

__all__ = ["ProjectStore"]


class ProjectStore:
    """The part of `Registry` that reads and writes projects."""

    engine: Engine

    def projects(self) -> list[Project]:
        """List all projects."""
        with Session(self.engine) as session:
            return [project_of(row, name) for row, name in session.execute(PROJECTS.order_by(ProjectRow.id))]

    def project(self, project_id: int) -> Project:
        """Read one project.

        Raises
        ------
        RegistryError
            If the project is not registered.
        """
        with Session(self.engine) as session:
            row = session.execute(PROJECTS.where(ProjectRow.id == project_id)).one_or_none()
            if row is None:
                raise RegistryError(f"project {project_id} is not registered here: attach the backend to it first")
            return project_of(*row)

    def register_project(self, project_id: int, *, label_config: str, extra_params: dict[str, Any] | None) -> Project:
        """Record a project's labelling config and extra parameters; the first call also makes its base version live.

        Any number of processes may call it at the same time.

        Parameters
        ----------
        project_id : int
        label_config : str
            The labelling config, as Label Studio sends it.
        extra_params : dict or None
            Extra parameters of the backend in Label Studio; None keeps the recorded ones.
        """
        insert = insert_of(self.engine)
        with Session(self.engine) as session:
            stored_row = session.execute(PROJECTS.where(ProjectRow.id == project_id)).one_or_none()
            if stored_row is not None:
                row, name = stored_row
                if row.label_config == label_config and (extra_params is None or row.extra_params == extra_params):
                    return project_of(row, name)
            new = {"label_config": label_config} | ({} if extra_params is None else {"extra_params": extra_params})
            session.execute(
                insert(ProjectRow)
                .values(
                    id=project_id,
                    live_version=1,
                    extra_params=extra_params or {},
                    label_config=label_config,
                    published_tasks=0,
                    lease_until=0.0,
                    status="waiting for the first annotations",
                    status_at=time.time(),
                )
                .on_conflict_do_update(index_elements=[ProjectRow.id], set_=new)
            )
            tag = session.scalars(select(ProjectRow.version_tag).where(ProjectRow.id == project_id)).one()
            session.execute(
                insert(VersionRow)
                .values(
                    project_id=project_id,
                    number=1,
                    name=new_version_name(1, tag),
                    created_at=time.time(),
                    config_hash=config_hash(label_config),
                    fingerprint="",
                    learned_from=0,
                    verdict=BASE,
                    evidence={"reason": "the shipped heads, before any annotation"},
                )
                .on_conflict_do_nothing()
            )
            session.commit()
        return self.project(project_id)

    def set_status(self, project_id: int, status: str) -> None:
        """Record in one sentence the result of the project's last cycle, or why there was none."""
        self._update(project_id, status=status, status_at=time.time())

    def clear_training_request(self, project_id: int, *, requested_at: float) -> None:
        """Record that the request of "Start Training" from that time has been handled; a later request is kept."""
        with Session(self.engine) as session:
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id == project_id, ProjectRow.training_requested_at == requested_at)
                .values(training_requested_at=None)
            )
            session.commit()

    def set_published(self, project_id: int, number: int, *, tasks: int) -> None:
        """Record that the predictions of version `number` are stored for all `tasks` tasks of the project."""
        self._update(project_id, published_version=number, published_tasks=tasks)

    def set_origin(self, project_id: int, origin: str) -> None:
        """Record the project's origin, which identifies it beyond its number."""
        self._update(project_id, origin=origin)

    def set_away(self, project_id: int, away: str) -> None:
        """Record that a project is "gone" from Label Studio or "detached" from the backend, or "" for neither."""
        self._update(project_id, away=away, away_since=time.time() if away else 0.0)

    def set_pinned(self, project_id: int, pinned: bool) -> None:
        """Pin the live version, so that the gate makes no other one live, or remove the pin."""
        self._update(project_id, pinned=pinned)

    def set_encoder(self, project_id: int, encoder: str) -> None:
        """Record the fingerprint of the encoder that a user has chosen for a project; empty for that of the settings."""
        self._update(project_id, encoder=encoder)

    def _update(self, project_id: int, **values: Any) -> None:
        with Session(self.engine) as session:
            session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(**values))
            session.commit()
