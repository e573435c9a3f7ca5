"""The registry: projects, their model versions, and the decisions about them.

One column of a project's row names the live version; promotion and rollback are the same atomic update, which every process
reads at its next query.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, update
from sqlalchemy.orm import Session

from backend.registry.projects import ProjectStore
from backend.registry.records import (
    BASE,
    BASE_NUMBER,
    DAMAGED,
    LIVE,
    REJECTED,
    RETIRED,
    PinnedError,
    RegistryError,
    config_hash,
)
from backend.registry.tables import ProjectRow, VersionRow
from backend.registry.versions import VersionStore, lock_project

__all__ = ["Registry"]


class Registry(ProjectStore, VersionStore):
    """Reads and writes projects and versions, and promotes, rejects and marks versions.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    folder : Path
        Folder of the versions' folders.
    """

    def __init__(self, engine: Engine, *, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def promote(
        self,
        project_id: int,
        number: int,
        *,
        evidence: dict[str, Any] | None = None,
        heads: Mapping[str, int] | None = None,
        holder: str | None = None,
        unless_pinned: bool = False,
    ) -> None:
        """Make a version live, in one transaction. A pin stays on the project and holds the new live version from then on.

        Parameters
        ----------
        project_id, number : int
        evidence : dict, optional
            The gate's measurements and reason; by default the evidence of the version's row.
        heads : mapping, optional
            Control's name to the number of the version whose folder holds its head; by default the heads of the version's row.
        holder : str, optional
            Name of the lease that must hold the project; None for a command of a user.
        unless_pinned : bool
            Whether a pin prevents the promotion.

        Raises
        ------
        RegistryError
            If the version does not exist, or was trained for another labelling config.
        LeaseLostError
            If another worker has taken the project over.
        PinnedError
            If the live version is pinned and `unless_pinned` is set.
        """
        with Session(self.engine) as session:
            # Locks the row: a concurrent promotion waits, and then retires the version that this one makes live.
            lock_project(session, project_id, holder)
            project, row = session.get(ProjectRow, project_id), session.get(VersionRow, (project_id, number))
            if project is None or row is None:
                raise RegistryError(f"project {project_id} has no version {number}")
            if row.verdict != BASE and row.config_hash != config_hash(project.label_config):
                raise RegistryError(
                    f"version {row.name} of project {project_id} was trained for another labelling config and cannot go live"
                )
            if unless_pinned and project.pinned:
                pinned_row = session.get_one(VersionRow, (project_id, project.live_version or BASE_NUMBER))
                raise PinnedError(f"version {pinned_row.name} is pinned")
            live = VersionRow.project_id == project_id, VersionRow.verdict == LIVE, VersionRow.number != number
            session.execute(update(VersionRow).where(*live).values(verdict=RETIRED))
            row.verdict = BASE if row.verdict == BASE else LIVE
            row.evidence = row.evidence if evidence is None else evidence
            row.heads = row.heads if heads is None else dict(heads)
            project.live_version, project.published_version, project.published_tasks = number, None, 0
            session.commit()

    def reject(
        self,
        project_id: int,
        number: int,
        *,
        evidence: dict[str, Any],
        heads: Mapping[str, int] | None = None,
        holder: str | None = None,
    ) -> None:
        """Record the verdict "rejected" and its evidence; `heads` and `holder` as for `promote`."""
        with Session(self.engine) as session:
            lock_project(session, project_id, holder)
            row = session.get_one(VersionRow, (project_id, number))
            row.verdict, row.evidence = REJECTED, evidence
            row.heads = row.heads if heads is None else dict(heads)
            session.commit()

    def record_damage(self, project_id: int, number: int, *, reason: str, holder: str | None = None) -> None:
        """Record that the files of a version are damaged; `holder` as for `promote`."""
        with Session(self.engine) as session:
            lock_project(session, project_id, holder)
            row = session.get_one(VersionRow, (project_id, number))
            row.verdict, row.evidence = DAMAGED, row.evidence | {"reason": reason}
            session.commit()
