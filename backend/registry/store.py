"""Model versions of each project: what is live, what was before, with their evidence.

A version is a folder of heads (safetensors + JSON) that never changes, and a row with its verdict. Which one is live is one
column of the project's row, so going live and rolling back are the same atomic step, seen by every process at its next read.
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
    DAMAGED,
    LIVE,
    RETIRED,
    TRAINED,
    Effort,
    LeaseLostError,
    Project,
    RegistryError,
    Version,
    config_hash,
    new_version_name,
    version_number,
)
from backend.registry.tables import ProjectRow, VersionRow, insert_of
from backend.registry.version_files import seal
from sync.files.atomic import UNFINISHED, replace_folder

__all__ = ["Registry"]


class Registry:
    """Reads and writes projects and versions.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    folder : Path
        Where the versions' folders are.
    """

    def __init__(self, engine: Engine, *, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    # -- projects ------------------------------------------------------------------------------------------------------

    def projects(self) -> list[Project]:
        """List all projects."""
        with Session(self.engine) as session:
            return [_project(row, name) for row, name in session.execute(_PROJECTS.order_by(ProjectRow.id))]

    def project(self, project_id: int) -> Project:
        """Read one project.

        Raises
        ------
        RegistryError
            If no backend was ever attached to it.
        """
        with Session(self.engine) as session:
            known = session.execute(_PROJECTS.where(ProjectRow.id == project_id)).one_or_none()
            if known is None:
                raise RegistryError(f"project {project_id} is not known here: attach the backend to it first")
            return _project(*known)

    def register_project(self, project_id: int, *, label_config: str, extra_params: dict[str, Any] | None) -> Project:
        """Record what Label Studio said of a project; the first time, its base version goes live.

        Safe to call at any moment from any number of processes; `extra_params` of None leaves them as they are.
        """
        insert = insert_of(self.engine)
        with Session(self.engine) as session:
            known = session.execute(_PROJECTS.where(ProjectRow.id == project_id)).one_or_none()
            if known is not None:
                row, name = known
                if row.label_config == label_config and (extra_params is None or row.extra_params == extra_params):
                    return _project(row, name)
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
        """Say in one sentence what the loop last did, or why it did nothing."""
        self._update(project_id, status=status, status_at=time.time())

    def forget_request(self, project_id: int) -> None:
        """Note that a pressed "Start Training" has been answered."""
        self._update(project_id, training_requested=False)

    def set_published(self, project_id: int, number: int, *, tasks: int) -> None:
        """Note that the predictions of version `number` are stored for the `tasks` tasks that the project has."""
        self._update(project_id, published_version=number, published_tasks=tasks)

    def set_origin(self, project_id: int, origin: str) -> None:
        """Note which project of which Label Studio this is, beyond its number."""
        self._update(project_id, origin=origin)

    def set_away(self, project_id: int, away: str) -> None:
        """Note that a project is "gone" from Label Studio or "detached" from the backend; "" that it is back."""
        self._update(project_id, away=away, away_since=time.time() if away else 0.0)

    # -- versions ------------------------------------------------------------------------------------------------------

    def versions(self, project_id: int) -> list[Version]:
        """List a project's versions, oldest first."""
        query = select(VersionRow).where(VersionRow.project_id == project_id).order_by(VersionRow.number)
        with Session(self.engine) as session:
            return [_version(row) for row in session.scalars(query)]

    def version(self, project_id: int, number: int) -> Version:
        """Read one version.

        Raises
        ------
        RegistryError
            If it does not exist.
        """
        with Session(self.engine) as session:
            row = session.get(VersionRow, (project_id, number))
            if row is None:
                raise RegistryError(f"project {project_id} has no version {number}")
            return _version(row)

    def version_named(self, project_id: int, name: str) -> Version:
        """Read one version by its name, or by the part of it before the hyphen, or by its number.

        Raises
        ------
        RegistryError
            If it does not exist, or `name` is no version name.
        """
        number = version_number(name)
        versions = [version for version in self.versions(project_id) if version.number == number]
        if not versions or ("-" in name and versions[0].name != name):
            raise RegistryError(f"project {project_id} has no version {name}")
        return versions[0]

    def path(self, project_id: int, number: int) -> Path:
        """Folder of a version; a base version has none."""
        return self.folder / str(project_id) / f"v{number:04d}"

    @contextmanager
    def writing_version(
        self, project_id: int, *, label_config: str, fingerprint: str, learned_from: int, holder: str | None = None
    ) -> Iterator[tuple[Path, int]]:
        """Give a folder to write heads into; on leaving it, it has become the next version, wholly or not at all.

        A process killed anywhere leaves a hidden folder or an unlisted one; the next call sweeps both away.

        Parameters
        ----------
        holder : str, optional
            Name of the lease that the project must be held by when the version is made.

        Yields
        ------
        folder : Path
            Write the heads here.
        number : int
            Number of the version to be.

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
        seal(unfinished, config_hash=config, fingerprint=fingerprint, learned_from=learned_from)
        final = self.path(project_id, number)
        with Session(self.engine) as session:
            _hold(session, project_id, holder)
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
            # The row first: where another worker has made this version meanwhile, it refuses, and that one's folder stays.
            session.flush()
            shutil.rmtree(final, ignore_errors=True)
            replace_folder(unfinished, final)
            session.commit()

    def taken_heads(self, project_id: int, number: int) -> dict[str, Path]:
        """Folders of the heads that a version takes from other versions, by control.

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
    ) -> None:
        """Make a version live, in one transaction.

        Parameters
        ----------
        heads : mapping, optional
            Control's name to the number of the version that its head comes from; by default what the version's row says.
        holder : str, optional
            Name of the lease that the project must be held by; none for a person's command.

        Raises
        ------
        RegistryError
            If it does not exist, or was made for another labelling config.
        LeaseLostError
            If another worker has taken the project over.
        """
        with Session(self.engine) as session:
            # Held from here on: whoever else promotes waits, and then finds the version that is live now to retire.
            _hold(session, project_id, holder)
            project, row = session.get(ProjectRow, project_id), session.get(VersionRow, (project_id, number))
            if project is None or row is None:
                raise RegistryError(f"project {project_id} has no version {number}")
            if row.verdict != BASE and row.config_hash != config_hash(project.label_config):
                raise RegistryError(
                    f"version {row.name} of project {project_id} was made for another labelling config and cannot go live"
                )
            live = VersionRow.project_id == project_id, VersionRow.verdict == LIVE, VersionRow.number != number
            session.execute(update(VersionRow).where(*live).values(verdict=RETIRED))
            row.verdict = BASE if row.verdict == BASE else LIVE
            row.evidence = row.evidence if evidence is None else evidence
            row.heads = row.heads if heads is None else dict(heads)
            project.live_version, project.published_version, project.published_tasks = number, None, 0
            session.commit()

    def reject(self, project_id: int, number: int, *, evidence: dict[str, Any], holder: str | None = None) -> None:
        """Keep a version out, with the evidence against it; `holder` as for `promote`."""
        with Session(self.engine) as session:
            _hold(session, project_id, holder)
            row = session.get_one(VersionRow, (project_id, number))
            row.verdict, row.evidence = "rejected", evidence
            session.commit()

    def note_damage(self, project_id: int, number: int, *, reason: str, holder: str | None = None) -> None:
        """Note that the files of a version are damaged; `holder` as for `promote`."""
        with Session(self.engine) as session:
            _hold(session, project_id, holder)
            row = session.get_one(VersionRow, (project_id, number))
            row.verdict, row.evidence = DAMAGED, row.evidence | {"reason": reason}
            session.commit()

    def _update(self, project_id: int, **values: Any) -> None:
        with Session(self.engine) as session:
            session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(**values))
            session.commit()


def _hold(session: Session, project_id: int, holder: str | None) -> None:
    """Keep everybody else from changing the project until the transaction ends; refuse where its lease is another's."""
    # A write, since SQLite knows no other lock; it changes nothing.
    session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(lease_until=ProjectRow.lease_until))
    owner = select(ProjectRow.lease_owner).where(ProjectRow.id == project_id)
    if holder is not None and session.scalar(owner) != holder:
        raise LeaseLostError(f"project {project_id} was taken over by another worker")


_PROJECTS = select(ProjectRow, VersionRow.name).join(
    VersionRow, (VersionRow.project_id == ProjectRow.id) & (VersionRow.number == func.coalesce(ProjectRow.live_version, 1))
)
"""Projects, each with the name of its live version."""


def _project(row: ProjectRow, live_name: str) -> Project:
    return Project(
        id=row.id,
        label_config=row.label_config,
        extra_params=dict(row.extra_params),
        live_version=row.live_version or 1,
        live_name=live_name,
        published_version=row.published_version,
        published_tasks=row.published_tasks,
        training_requested=row.training_requested,
        status=row.status,
        status_at=row.status_at,
        origin=row.origin,
        away=row.away,
        away_since=row.away_since,
    )


def _version(row: VersionRow) -> Version:
    return Version(
        project_id=row.project_id,
        number=row.number,
        name=row.name,
        created_at=row.created_at,
        config_hash=row.config_hash,
        fingerprint=row.fingerprint,
        learned_from=row.learned_from,
        verdict=row.verdict,
        evidence=dict(row.evidence),
        effort={control: Effort(**figures) for control, figures in row.effort.items()},
        heads={control: int(number) for control, number in row.heads.items()},
    )
