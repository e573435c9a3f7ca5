"""Model versions of each project, live and former, with their evidence.

A version is an immutable folder of heads (safetensors and JSON) and a row with its verdict. One column of the project's row
names the live version; promotion and rollback are the same atomic update, which every process reads at its next query.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from backend.registry.records import (
    BASE,
    BASE_NUMBER,
    DAMAGED,
    LIVE,
    RETIRED,
    TRAINED,
    LeaseLostError,
    PinnedError,
    Project,
    RegistryError,
    Version,
    config_hash,
    new_version_name,
    version_number,
)
from backend.registry.rows import PROJECTS, project_of, version_of
from backend.registry.tables import ProjectRow, VersionRow, insert_of
from backend.registry.version_files import write_manifest
from sync.files.atomic import UNFINISHED, flush_folder, rename_folder

__all__ = ["Registry"]


class Registry:
    """Reads and writes projects and versions.

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

    # -- projects ------------------------------------------------------------------------------------------------------

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
            known = session.execute(PROJECTS.where(ProjectRow.id == project_id)).one_or_none()
            if known is None:
                raise RegistryError(f"project {project_id} is not registered here: attach the backend to it first")
            return project_of(*known)

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
            known = session.execute(PROJECTS.where(ProjectRow.id == project_id)).one_or_none()
            if known is not None:
                row, name = known
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
                    training_requested=False,
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

    def clear_training_request(self, project_id: int) -> None:
        """Record that a request of "Start Training" has been handled."""
        self._update(project_id, training_requested=False)

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

    # -- versions ------------------------------------------------------------------------------------------------------

    def versions(self, project_id: int) -> list[Version]:
        """List a project's versions, oldest first."""
        query = select(VersionRow).where(VersionRow.project_id == project_id).order_by(VersionRow.number)
        with Session(self.engine) as session:
            return [version_of(row) for row in session.scalars(query)]

    def version(self, project_id: int, number: int) -> Version:
        """Read one version.

        Raises
        ------
        RegistryError
            If the version does not exist.
        """
        with Session(self.engine) as session:
            row = session.get(VersionRow, (project_id, number))
            if row is None:
                raise RegistryError(f"project {project_id} has no version {number}")
            return version_of(row)

    def version_named(self, project_id: int, name: str) -> Version:
        """Read one version by its name, by the part of the name before the hyphen, or by its number.

        Raises
        ------
        RegistryError
            If the version does not exist, or `name` is not a valid version name.
        """
        number = version_number(name)
        versions = [version for version in self.versions(project_id) if version.number == number]
        if not versions or ("-" in name and versions[0].name != name):
            raise RegistryError(f"project {project_id} has no version {name}")
        return versions[0]

    def path(self, project_id: int, number: int) -> Path:
        """Return the path of a version's folder; that of a base version does not exist."""
        return self.folder / str(project_id) / f"v{number:04d}"

    @contextmanager
    def create_version(
        self, project_id: int, *, label_config: str, fingerprint: str, learned_from: int, holder: str | None = None
    ) -> Iterator[tuple[Path, int]]:
        """Create the next version atomically from the heads that the block writes into a temporary folder.

        A killed process leaves a hidden folder or one without a row; the next call deletes both.

        Parameters
        ----------
        project_id : int
        label_config : str
            Labelling config that the version was trained for.
        fingerprint : str
            Fingerprint of the annotations.
        learned_from : int
            Number of annotations.
        holder : str, optional
            Name of the lease that must hold the project when the version is added.

        Yields
        ------
        folder : Path
            Folder for the heads.
        number : int
            Number of the new version.

        Raises
        ------
        LeaseLostError
            If another worker has taken the project over.
        """
        home = self.folder / str(project_id)
        home.mkdir(parents=True, exist_ok=True)
        for left_over in home.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with Session(self.engine) as session:
            last = session.scalar(select(func.max(VersionRow.number)).where(VersionRow.project_id == project_id))
        number = (last or 0) + 1
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=home))
        yield unfinished, number
        config = config_hash(label_config)
        write_manifest(unfinished, config_hash=config, fingerprint=fingerprint, learned_from=learned_from)
        final = self.path(project_id, number)
        flush_folder(unfinished)  # before the transaction, which would keep every other process from writing meanwhile
        with Session(self.engine) as session:
            _lock_project(session, project_id, holder)
            tag = session.scalars(select(ProjectRow.version_tag).where(ProjectRow.id == project_id)).one()
            session.add(
                VersionRow(
                    project_id=project_id,
                    number=number,
                    name=new_version_name(number, tag),
                    created_at=time.time(),
                    config_hash=config,
                    fingerprint=fingerprint,
                    learned_from=learned_from,
                    verdict=TRAINED,
                )
            )
            # The row is added first: if another worker has added the same version, this fails and keeps the other's folder.
            session.flush()
            shutil.rmtree(final, ignore_errors=True)
            rename_folder(unfinished, final)
            session.commit()

    def find_taken_heads(self, project_id: int, number: int) -> dict[str, Path]:
        """Return the folders of the heads that a version uses from other versions, by control.

        Raises
        ------
        RegistryError
            If the version does not exist.
        """
        heads = self.version(project_id, number).heads
        return {control: self.path(project_id, source) for control, source in heads.items() if source != number}

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
            _lock_project(session, project_id, holder)
            project, row = session.get(ProjectRow, project_id), session.get(VersionRow, (project_id, number))
            if project is None or row is None:
                raise RegistryError(f"project {project_id} has no version {number}")
            if row.verdict != BASE and row.config_hash != config_hash(project.label_config):
                raise RegistryError(
                    f"version {row.name} of project {project_id} was trained for another labelling config and cannot go live"
                )
            if unless_pinned and project.pinned:
                pinned = session.get_one(VersionRow, (project_id, project.live_version or BASE_NUMBER))
                raise PinnedError(f"version {pinned.name} is pinned")
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
            _lock_project(session, project_id, holder)
            row = session.get_one(VersionRow, (project_id, number))
            row.verdict, row.evidence = "rejected", evidence
            row.heads = row.heads if heads is None else dict(heads)
            session.commit()

    def record_damage(self, project_id: int, number: int, *, reason: str, holder: str | None = None) -> None:
        """Record that the files of a version are damaged; `holder` as for `promote`."""
        with Session(self.engine) as session:
            _lock_project(session, project_id, holder)
            row = session.get_one(VersionRow, (project_id, number))
            row.verdict, row.evidence = DAMAGED, row.evidence | {"reason": reason}
            session.commit()

    def _update(self, project_id: int, **values: Any) -> None:
        with Session(self.engine) as session:
            session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(**values))
            session.commit()


def _lock_project(session: Session, project_id: int, holder: str | None) -> None:
    """Lock the project's row until the transaction ends; raise `LeaseLostError` if another lease holds the project."""
    # An update that changes nothing: SQLite has no lock of single rows.
    session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(lease_until=ProjectRow.lease_until))
    owner = select(ProjectRow.lease_owner).where(ProjectRow.id == project_id)
    if holder is not None and session.scalar(owner) != holder:
        raise LeaseLostError(f"project {project_id} was taken over by another worker")
