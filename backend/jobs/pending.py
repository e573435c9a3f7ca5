"""The bell: events ring it, the worker answers it; what happened is always read from Label Studio itself.

It is two times in the project's row, by the database's clock, so that rings of any number collapse into one answer, survive a
kill of either side, and a ring during an answer is not lost.
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
    """A bell that waits for an answer.

    Attributes
    ----------
    first_at, last_at : float
        Unix time of the first ring without an answer and of the last one.
    """

    first_at: float
    last_at: float

    def ready_at(self, *, debounce_s: float, patience_s: float) -> float:
        """When to answer: after a quiet time, or once patience has run out; Unix time."""
        return min(self.last_at + debounce_s, self.first_at + patience_s)


class PendingEvents:
    """Rings and answers the bells of all projects."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mark(self, project_ids: Iterable[int]) -> list[int]:
        """Ring for several projects in one transaction; unknown projects are passed over.

        Returns
        -------
        list of int
            The projects whose bell was silent before: a job must be queued for these and only for these.
        """
        ids = list(project_ids)
        # In one order: on PostgreSQL two who ring for the same projects would else wait for one another. SQLite has one writer.
        rows = select(ProjectRow.id, ProjectRow.bell_first_at).where(ProjectRow.id.in_(ids)).order_by(ProjectRow.id)
        with Session(self._engine) as session:
            woken = [id_ for id_, first in session.execute(rows.with_for_update()) if first is None]
            now = read_clock(session)
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id.in_(ids))
                .values(bell_first_at=func.coalesce(ProjectRow.bell_first_at, now), bell_last_at=now)
            )
            session.commit()
        return woken

    def mark_now(self, project_id: int) -> None:
        """Ring for an answer without waiting for quiet: for a command, which no further event belongs to."""
        with Session(self._engine) as session:
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id == project_id)
                .values(bell_first_at=0.0, bell_last_at=read_clock(session))
            )
            session.commit()

    def request_training(self, project_id: int) -> list[int]:
        """Ring, and ask for a training whatever number of annotations has gathered."""
        with Session(self._engine) as session:
            session.execute(update(ProjectRow).where(ProjectRow.id == project_id).values(training_requested=True))
            session.commit()
        return self.mark([project_id])

    def waiting_s(self) -> dict[int, float]:
        """Tell for how many seconds the events of each project have waited; projects without any are left out."""
        now = self.now()
        # A command rings as if it had waited for ever, so that it waits for no quiet: then the last ring counts.
        return {
            id_: max(0.0, now - (pending_events.first_at or pending_events.last_at))
            for id_, pending_events in self.pending().items()
        }

    def pending(self) -> dict[int, EventTimes]:
        """Tell which projects wait for an answer."""
        query = select(ProjectRow.id, ProjectRow.bell_first_at, ProjectRow.bell_last_at)
        with Session(self._engine) as session:
            rows = session.execute(query.where(ProjectRow.bell_first_at.is_not(None))).all()
        return {id_: EventTimes(first, last) for id_, first, last in rows if first is not None and last is not None}

    def now(self) -> float:
        """Tell the time by the clock that the rings are noted by, Unix time."""
        with Session(self._engine) as session:
            return read_clock(session)

    def acknowledge(self, project_id: int, handled: EventTimes) -> None:
        """Silence the bell unless it has rung again since it was heard."""
        with Session(self._engine) as session:
            session.execute(
                update(ProjectRow)
                .where(ProjectRow.id == project_id, ProjectRow.bell_last_at == handled.last_at)
                .values(bell_first_at=None, bell_last_at=None)
            )
            session.commit()
