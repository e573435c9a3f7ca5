"""The ledger of effort: what was measured of each annotation, and the sums of each version's, which stand with the version.

It remembers every annotation that was measured, so that one that has not changed since costs nothing; and each sum is made anew
from these, so that an annotation that is edited or deleted leaves nothing of its old figures behind.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.orm import Session

from backend.registry.records import Effort
from backend.registry.tables import EffortRow, VersionRow

__all__ = ["EffortStore", "Entry"]

IDS_A_STATEMENT = 500
"""Databases limit the values of one statement."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was measured of one annotation.

    Attributes
    ----------
    updated_at : str
        When the annotation last changed.
    version : int or None
        The version whose prediction it was begun from; None where that is not known any more.
    effort : dict
        Control's name to what became of its regions.
    """

    annotation_id: int
    updated_at: str
    version: int | None
    effort: dict[str, Effort] = field(default_factory=dict)


class EffortStore:
    """Keeps the effort of all projects.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def stamps(self, project_id: int) -> dict[int, str]:
        """Tell which annotations were measured, by id, and as they stood when."""
        query = select(EffortRow.annotation_id, EffortRow.updated_at).where(EffortRow.project_id == project_id)
        with Session(self._engine) as session:
            return {row.annotation_id: row.updated_at for row in session.execute(query)}

    def unknown(self, project_id: int) -> int:
        """Count the annotations that were begun from a prediction of which nothing is known any more."""
        query = select(func.count()).where(EffortRow.project_id == project_id, EffortRow.version.is_(None))
        with Session(self._engine) as session:
            return session.scalar(query) or 0

    def enter(self, project_id: int, entries: Sequence[Entry], *, gone: Collection[int] = ()) -> None:
        """Write what was measured, strike out what stood there before, and sum up anew; one transaction.

        Parameters
        ----------
        gone : collection of int
            Annotations that are no more, or were not begun from a prediction any more.
        """
        changed = sorted({*gone, *(entry.annotation_id for entry in entries)})
        with Session(self._engine) as session:
            touched = {entry.version for entry in entries}
            for start in range(0, len(changed), IDS_A_STATEMENT):
                ids = changed[start : start + IDS_A_STATEMENT]
                here = EffortRow.project_id == project_id, EffortRow.annotation_id.in_(ids)
                touched |= set(session.scalars(select(EffortRow.version).where(*here)))
                session.execute(delete(EffortRow).where(*here))
            session.add_all(
                EffortRow(
                    project_id=project_id,
                    annotation_id=entry.annotation_id,
                    updated_at=entry.updated_at,
                    version=entry.version,
                    effort=_as_json(entry.effort),
                )
                for entry in entries
            )
            session.flush()
            for version in touched - {None}:
                _sum_up(session, project_id, version)
            session.commit()


def _sum_up(session: Session, project_id: int, version: int | None) -> None:
    """Write the sum of a version's entries into its row."""
    total: dict[str, Effort] = {}
    query = select(EffortRow.effort).where(EffortRow.project_id == project_id, EffortRow.version == version)
    for effort in session.scalars(query):
        for control, figures in effort.items():
            total[control] = total.get(control, Effort()) + Effort(**figures)
    here = VersionRow.project_id == project_id, VersionRow.number == version
    session.execute(update(VersionRow).where(*here).values(effort=_as_json(total)))


def _as_json(effort: dict[str, Effort]) -> dict[str, dict[str, float]]:
    return {control: asdict(figures) for control, figures in effort.items()}
