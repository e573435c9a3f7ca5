"""The registry's versions: immutable folders of heads (safetensors and JSON), each with a row in the database."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, String, cast, func, select, update
from sqlalchemy.orm import Session

from backend.registry.records import (
    COMPARED_ON,
    TRAINED,
    LeaseLostError,
    RegistryError,
    Version,
    config_hash,
    new_version_name,
    version_number,
)
from backend.registry.rows import version_of
from backend.registry.tables import ProjectRow, VersionRow
from backend.registry.version_files import write_manifest
from sync.files.atomic import UNFINISHED, flush_folder, rename_folder

__all__ = ["VersionStore", "lock_project"]


class VersionStore:
    """The part of `Registry` that reads and creates versions."""

    engine: Engine
    folder: Path

    def versions(self, project_id: int) -> list[Version]:
        """List a project's versions, oldest first."""
        query = select(VersionRow).where(VersionRow.project_id == project_id).order_by(VersionRow.number)
        with Session(self.engine) as session:
            return [version_of(row) for row in session.scalars(query)]

    def newest_compared(self, project_id: int) -> Version | None:
        """Return the newest version that the gate has compared; None without one. The rows of older ones are not parsed."""
        is_compared = VersionRow.evidence[COMPARED_ON].as_string().is_not(None)
        query = select(VersionRow).where(VersionRow.project_id == project_id, is_compared).order_by(VersionRow.number.desc())
        with Session(self.engine) as session:
            row = session.scalar(query.limit(1))
            return None if row is None else version_of(row)

    def newest_with_effort(self, project_id: int, *, limit: int) -> list[Version]:
        """List the newest versions whose predictions annotators have used, newest first; no more than `limit` are read."""
        has_effort = cast(VersionRow.effort, String) != "{}"
        query = select(VersionRow).where(VersionRow.project_id == project_id, has_effort).order_by(VersionRow.number.desc())
        with Session(self.engine) as session:
            return [version_of(row) for row in session.scalars(query.limit(limit))]

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
        self,
        project_id: int,
        *,
        label_config: str,
        fingerprint: str,
        learned_from: int,
        encoder: str = "",
        holder: str | None = None,
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
        encoder : str
            Fingerprint of the encoder that the heads for classes and numbers stand on.
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
        new_folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=home))
        yield new_folder, number
        config = config_hash(label_config)
        about = {"config_hash": config, "fingerprint": fingerprint, "learned_from": learned_from, "encoder": encoder}
        write_manifest(new_folder, **about)
        final = self.path(project_id, number)
        flush_folder(new_folder)  # before the transaction, which would keep every other process from writing meanwhile
        with Session(self.engine) as session:
            lock_project(session, project_id, holder)
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
                    encoder=encoder,
                )
            )
            # The row is added first: if another worker has added the same version, this fails and keeps the other's folder.
            session.flush()
            shutil.rmtree(final, ignore_errors=True)
            rename_folder(new_folder, final)
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


def lock_project(session: Session, project_id: int, holder: str | None) -> None:
    """Lock the project's row until the transaction ends; raise `LeaseLostError` if another lease holds the project."""
    # An update that changes nothing: SQLite has no lock of single rows.
    session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(lease_until=ProjectRow.lease_until))
    owner = select(ProjectRow.lease_owner).where(ProjectRow.id == project_id)
    if holder is not None and session.scalar(owner) != holder:
        raise LeaseLostError(f"project {project_id} was taken over by another worker")
