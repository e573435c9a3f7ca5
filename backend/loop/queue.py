"""The job queue: huey on SQLite, its messages written as JSON because nothing here is ever unpickled.

One kind of job: answer a project's bell. The queue only says when to look; that a bell rings stands in the registry, so a job
that is lost with a killed process is queued again by the next reconciliation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from huey import SqliteHuey
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer

__all__ = ["JobQueue"]

POLL_S = 0.5
"""Longest time that an idle worker sleeps between two looks at the queue."""


class JsonSerializer(Serializer):  # type: ignore[misc]  # huey has no type hints
    """Writes huey's messages as JSON; times become ISO 8601."""

    def _serialize(self, message: Message) -> bytes:
        fields = message._asdict()
        if isinstance(fields["eta"], datetime):
            fields["eta"] = fields["eta"].isoformat()
        return json.dumps(fields).encode()

    def _deserialize(self, data: bytes) -> Message:
        fields = json.loads(data)
        if fields["eta"] is not None:
            fields["eta"] = datetime.fromisoformat(fields["eta"])
        return Message(**fields)


class JobQueue:
    """The queue that the server writes and the worker reads.

    Parameters
    ----------
    file : Path
        The queue's SQLite file; made when missing.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._huey = SqliteHuey("galaxyloop", filename=str(file), results=False, serializer=JsonSerializer())
        self._answer: Callable[[int], None] | None = None
        self._job = self._huey.task(name="answer")(self._run)

    def schedule(self, project_id: int, *, delay_s: float) -> None:
        """Queue an answer to a project's bell, `delay_s` seconds from now."""
        self._job.schedule((project_id,), delay=delay_s)

    def queued(self) -> set[int]:
        """Tell for which projects a job waits."""
        return {task.args[0] for task in [*self._huey.pending(), *self._huey.scheduled()] if task.args}

    def work(self, answer: Callable[[int], None], *, reconcile: Callable[[], None]) -> None:
        """Work off the queue until the process is told to end.

        Parameters
        ----------
        answer : callable
            Takes a project's id.
        reconcile : callable
            Called once a minute, for what happened without an event.
        """
        self._answer = answer
        self._huey.periodic_task(lambda _: True, name="reconcile")(reconcile)
        Consumer(self._huey, workers=1, worker_type="thread", max_delay=POLL_S, backoff=1.5).run()

    def _run(self, project_id: int) -> None:
        if self._answer is None:
            raise RuntimeError("this process queues jobs and does not work on them")
        self._answer(project_id)
