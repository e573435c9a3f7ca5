"""The list of unreadable annotations: the tasks that training and validation leave out for a control, and the reason.

Each cycle of a project replaces the project's list if it has changed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass

from sqlalchemy import Engine, delete, func, insert, select
from sqlalchemy.orm import Session

from backend.registry.tables import UnreadableRow

__all__ = ["Unreadable", "UnreadableList"]


@dataclass(frozen=True, order=True, slots=True)
class Unreadable:
    """One annotation that is unreadable for one control.

    Attributes
    ----------
    task, annotation : int
        Ids in Label Studio.
    control : str
        Name of the control.
    reason : str
        One sentence.
    left_out : bool
        Whether the task is left out for this control; False if another annotation of the task is readable.
    """

    task: int
    annotation: int
    control: str
    reason: str
    left_out: bool


class UnreadableList:
    """Reads and writes the lists of all projects.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, project_id: int) -> list[Unreadable]:
        """Read a project's list, ordered by task."""
        query = select(UnreadableRow).where(UnreadableRow.project_id == project_id)
        with Session(self._engine) as session:
            rows = session.scalars(query)
            return sorted(Unreadable(row.task_id, row.annotation_id, row.control, row.reason, row.left_out) for row in rows)

    def tasks_left_out(self, project_id: int) -> int:
        """Count a project's tasks that are left out for at least one control."""
        query = select(func.count(func.distinct(UnreadableRow.task_id))).where(
            UnreadableRow.project_id == project_id, UnreadableRow.left_out
        )
        with Session(self._engine) as session:
            return session.scalar(query) or 0

    def replace(self, project_id: int, items: Collection[Unreadable]) -> None:
        """Replace a project's list in one transaction, if it has changed."""
        if sorted(items) == self.of(project_id):
            return
        columns = ("task_id", "annotation_id", "control", "reason", "left_out")
        rows = [{"project_id": project_id} | dict(zip(columns, astuple(item), strict=True)) for item in items]
        with Session(self._engine) as session:
            session.execute(delete(UnreadableRow).where(UnreadableRow.project_id == project_id))
            if rows:
                session.execute(insert(UnreadableRow), rows)
            session.commit()
