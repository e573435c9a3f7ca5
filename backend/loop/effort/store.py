"""Stores the effort of each annotation, and the sum per version in the version's row.

Every measured annotation has an entry, so that it is not measured again while it is unchanged. Each sum is computed from the
entries, so that old values of an edited or deleted annotation do not remain in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from statistics import median

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from backend.registry.records import Effort
from backend.registry.tables import EffortRow, VersionRow

__all__ = ["EffortStore", "Entry"]

IDS_PER_STATEMENT = 500
"""Databases limit the number of values in one statement."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The effort of one annotation.

    Attributes
    ----------
    updated_at : str
        When the annotation last changed.
    version : int or None
        The version whose prediction it was begun from; None if unknown.
    effort : dict
        Control's name to the effort for its regions.
    seconds : float or None
        Time that the annotator spent; None if unknown.
    """

    annotation_id: int
    updated_at: str
    version: int | None
    effort: dict[str, Effort] = field(default_factory=dict)
    seconds: float | None = None


class EffortStore:
    """Reads and writes the effort of all projects.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stamps(self, project_id: int) -> dict[int, str]:
        """Return the measured annotations: id to the time of the last change that was measured."""
        query = select(EffortRow.annotation_id, EffortRow.updated_at).where(EffortRow.project_id == project_id)
        with Session(self._engine) as session:
            return {row.annotation_id: row.updated_at for row in session.execute(query)}

    def unknown(self, project_id: int) -> int:
        """Count the annotations that were begun from an unknown prediction."""
        query = select(func.count()).where(EffortRow.project_id == project_id, EffortRow.version.is_(None))
        with Session(self._engine) as session:
            return session.scalar(query) or 0

    def median_seconds(self, project_id: int) -> dict[int, float]:
        """Return the median time of the annotations that were begun from each version's predictions, seconds."""
        query = select(EffortRow.version, EffortRow.seconds).where(EffortRow.project_id == project_id)
        seconds: dict[int, list[float]] = defaultdict(list)
        with Session(self._engine) as session:
            for version, value in session.execute(query):
                if version is not None and value is not None and isfinite(value):
                    seconds[version].append(value)
        return {version: median(values) for version, values in seconds.items()}

    def write(self, project_id: int, entries: Sequence[Entry], *, outdated_ids: Collection[int] = ()) -> None:
        """Replace entries and update the sums, in one transaction.

        Parameters
        ----------
        outdated_ids : collection of int
            Annotations that were deleted, or are no longer begun from a prediction.
        """
        changed_ids = sorted({*outdated_ids, *(entry.annotation_id for entry in entries)})
        with Session(self._engine) as session:
            versions = {entry.version for entry in entries}
            for start in range(0, len(changed_ids), IDS_PER_STATEMENT):
                ids = changed_ids[start : start + IDS_PER_STATEMENT]
                rows = EffortRow.project_id == project_id, EffortRow.annotation_id.in_(ids)
                versions |= set(session.scalars(select(EffortRow.version).where(*rows)))
                session.execute(delete(EffortRow).where(*rows))
            session.add_all(
                EffortRow(
                    project_id=project_id,
                    annotation_id=entry.annotation_id,
                    updated_at=entry.updated_at,
                    version=entry.version,
                    effort=_as_json(entry.effort),
                    seconds=entry.seconds,
                )
                for entry in entries
            )
            session.flush()
            for version in versions - {None}:
                _sum_up(session, project_id, version)
            session.commit()


def _sum_up(session: Session, project_id: int, version: int | None) -> None:
    """Write the sum of a version's entries to its row."""
    total: dict[str, Effort] = {}
    query = select(EffortRow.effort).where(EffortRow.project_id == project_id, EffortRow.version == version)
    for effort in session.scalars(query):
        for control, figures in effort.items():
            total[control] = total.get(control, Effort()) + Effort(**figures)
    of_version = VersionRow.project_id == project_id, VersionRow.number == version
    session.execute(update(VersionRow).where(*of_version).values(effort=_as_json(total)))


def _as_json(effort: dict[str, Effort]) -> dict[str, dict[str, float]]:
    return {control: asdict(figures) for control, figures in effort.items()}
