"""The order of each project's queue: what a user has requested, and the tasks that the worker has placed at its front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from backend.registry.tables import QueueRow, insert_of

__all__ = ["Front", "SimilarRequest", "TaskQueues"]


@dataclass(frozen=True, slots=True)
class SimilarRequest:
    """A request to order the queue by similarity to galaxies.

    Attributes
    ----------
    tasks : tuple of int
        Ids of the tasks that show these galaxies.
    limit : int
        Number of similar tasks at the front of the queue.
    """

    tasks: tuple[int, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class Front:
    """The tasks at the front of a queue.

    Attributes
    ----------
    version : str
        Name of the version whose predictions carry the order in their scores.
    ranking : str
        What the tasks were ranked by (`Ranking.key`): a change of the strategy or of the request makes the front outdated.
    tasks : tuple of int
        Ids, the first to annotate first.
    candidates : int
        Number of tasks that could be ranked.
    own_scores : mapping
        Name of a version to the own scores of all tasks whose stored predictions may have another one, by task id.
    is_placed : bool
        Whether Label Studio has the scores of this front.
    """

    version: str = ""
    ranking: str = ""
    tasks: tuple[int, ...] = ()
    candidates: int = 0
    own_scores: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    is_placed: bool = True


class TaskQueues:
    """Reads and writes requests and fronts.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def request(self, project_id: int) -> SimilarRequest | None:
        """Read the request of a project; None without one."""
        record = self._read(project_id, "request")
        return SimilarRequest(tuple(record["tasks"]), int(record["limit"])) if record.get("tasks") else None

    def set_request(self, project_id: int, request: SimilarRequest | None) -> None:
        """Replace the request of a project; None ends it."""
        content = {} if request is None else {"tasks": list(request.tasks), "limit": request.limit}
        self._write(project_id, request=content)

    def front(self, project_id: int) -> Front:
        """Read the front of a project's queue; an empty one if the worker has placed none."""
        record = self._read(project_id, "front")
        if not record:
            return Front()
        return Front(
            version=record["version"],
            ranking=record["ranking"],
            tasks=tuple(record["tasks"]),
            candidates=record["candidates"],
            own_scores={
                version: {int(task): score for task, score in scores.items()}
                for version, scores in record["own_scores"].items()
            },
            is_placed=record["placed"],
        )

    def set_front(self, project_id: int, front: Front) -> None:
        """Replace the front of a project's queue, in one transaction."""
        content = {
            "version": front.version,
            "ranking": front.ranking,
            "tasks": list(front.tasks),
            "candidates": front.candidates,
            "own_scores": {
                version: {str(task): score for task, score in scores.items()} for version, scores in front.own_scores.items()
            },
            "placed": front.is_placed,
        }
        self._write(project_id, front=content)

    def _read(self, project_id: int, column: str) -> dict[str, Any]:
        query = select(getattr(QueueRow, column)).where(QueueRow.project_id == project_id)
        with Session(self._engine) as session:
            record: dict[str, Any] | None = session.scalar(query)
        return record or {}

    def _write(self, project_id: int, **values: dict[str, Any]) -> None:
        blank_records: dict[str, dict[str, Any]] = {"request": {}, "front": {}}
        insert = insert_of(self._engine)(QueueRow).values(project_id=project_id, **(blank_records | values))
        with Session(self._engine) as session:
            session.execute(insert.on_conflict_do_update(index_elements=["project_id"], set_=values))
            session.commit()
