"""Pending events: the server marks a project when an event arrives, and the worker acknowledges after a cycle.

A mark is two times in the project's row, by the database's clock. Any number of events leads to one cycle, a mark survives a
kill of either process, and an event during a cycle leads to another cycle. The worker reads the changes from Label Studio.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from backend.registry.connection import read_clock
from backend.registry.tables import ProjectRow

__all__ = ["EventTimes", "PendingEvents"]


@dataclass(frozen=True, slots=True)
class EventTimes:
    """When a project's pending events arrived.

    Attributes
    ----------
    first_at, last_at : float
        Unix time of the first event that is not acknowledged, and of the last one.
    """

    first_at: float
    last_at: float

    def ready_at(self, *, debounce_s: float, patience_s: float) -> float:
        """Return when to begin a cycle, Unix time: after a pause in the events, or once patience has run out."""
        return min(self.last_at + debounce_s, self.first_at + patience_s)


class PendingEvents:
    """Marks and acknowledges the events of all projects.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mark(self, project_ids: Iterable[int]) -> list[int]:
        """Mark several projects in one transaction; unknown projects are ignored.

        Returns
        -------
        list of int
            The projects that had no pending events before: only these need a job in the queue.
        """
        ids = list(project_ids)
        # Ordered, so that on PostgreSQL two transactions that mark the same projects cannot deadlock.
        rows = select(ProjectRow.id, ProjectRow.events_first_at).where(ProjectRow.id.in_(ids)).order_by(ProjectRow.id)
        with Session(self._engine) as session:
            newly_marked = [id_ for id_, first in session.execute(rows.with_for_update()) if first is None]
            time = read_clock(session)
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id.in_(ids))
                .values(events_first_at=func.coalesce(ProjectRow.events_first_at, time), events_last_at=time)
            )
            session.commit()
        return newly_marked

    def mark_now(self, project_id: int) -> None:
        """Mark a project for a cycle without debounce: for a command, which no further event follows."""
        with Session(self._engine) as session:
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id == project_id)
                .values(events_first_at=0.0, events_last_at=read_clock(session))
            )
            session.commit()

    def request_training(self, project_id: int) -> list[int]:
        """Mark a project, and request a training however few annotations are new; returns as `mark`."""
        with Session(self._engine) as session:
            time = read_clock(session)
            session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(training_requested_at=time))
            session.commit()
        return self.mark([project_id])

    def waiting_s(self) -> dict[int, float]:
        """Return for how many seconds the events of each project have been pending; other projects are left out."""
        time = self.read_time()
        # `mark_now` writes 0 as the first time, so that the debounce is over at once; then the last time counts.
        return {id_: max(0.0, time - (times.first_at or times.last_at)) for id_, times in self.pending().items()}

    def pending(self) -> dict[int, EventTimes]:
        """Read the times of each project with pending events."""
        query = select(ProjectRow.id, ProjectRow.events_first_at, ProjectRow.events_last_at)
        with Session(self._engine) as session:
            rows = session.execute(query.where(ProjectRow.events_first_at.is_not(None))).all()
        return {id_: EventTimes(first, last) for id_, first, last in rows if first is not None and last is not None}

    def read_time(self) -> float:
        """Read the clock that the times are written by, Unix time."""
        with Session(self._engine) as session:
            return read_clock(session)

    def acknowledge(self, project_id: int, times: EventTimes) -> None:
        """Clear a project's mark unless a further event has arrived after `times` was read."""
        with Session(self._engine) as session:
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id == project_id, ProjectRow.events_last_at == times.last_at)
                .values(events_first_at=None, events_last_at=None)
            )
            session.commit()
