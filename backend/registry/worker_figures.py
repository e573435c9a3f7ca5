"""Figures of the worker, which the server exposes in `/metrics`: cycles, failed cycles and trainings, with their times."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from backend.registry.tables import WorkerFiguresRow, insert_of

__all__ = ["WorkerFigures", "WorkerFiguresStore"]


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """Figures of one project, of all workers since it was registered.

    Attributes
    ----------
    project_id, cycles, failed_cycles, trainings : int
        A failed cycle ended with an error, which the worker's log has.
    cycle_seconds, training_seconds : float
        Sums, seconds.
    last_training_seconds : float or None
        None before the first training.
    """

    project_id: int
    cycles: int
    cycle_seconds: float
    failed_cycles: int
    trainings: int
    training_seconds: float
    last_training_seconds: float | None


class WorkerFiguresStore:
    """Adds to the figures of projects, and reads them.

    Parameters
    ----------
    engine : Engine
        Of the registry.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_cycle(self, project_id: int, *, seconds: float, failed: bool) -> None:
        """Count a cycle and its time."""
        row = WorkerFiguresRow
        self._add(
            project_id,
            {
                row.cycles: row.cycles + 1,
                row.cycle_seconds: row.cycle_seconds + seconds,
                row.failed_cycles: row.failed_cycles + int(failed),
            },
        )

    def add_training(self, project_id: int, *, seconds: float) -> None:
        """Count a training and its time."""
        row = WorkerFiguresRow
        self._add(
            project_id,
            {
                row.trainings: row.trainings + 1,
                row.training_seconds: row.training_seconds + seconds,
                row.last_training_seconds: seconds,
            },
        )

    def read(self) -> list[WorkerFigures]:
        """Return the figures of each project that has any."""
        with Session(self._engine) as session:
            rows = session.scalars(select(WorkerFiguresRow).order_by(WorkerFiguresRow.project_id)).all()
            return [WorkerFigures(*(getattr(row, name) for name in WorkerFigures.__slots__)) for row in rows]

    def _add(self, project_id: int, changes: dict[object, object]) -> None:
        with Session(self._engine) as session:
            insert = insert_of(self._engine)(WorkerFiguresRow).values(
                project_id=project_id, cycles=0, cycle_seconds=0.0, failed_cycles=0, trainings=0, training_seconds=0.0
            )
            session.execute(insert.on_conflict_do_nothing())
            session.execute(update(WorkerFiguresRow).where(WorkerFiguresRow.project_id == project_id).values(changes))
            session.commit()
