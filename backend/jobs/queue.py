"""The job queue: huey on SQLite, or on Redis if several machines share the work.

Its messages are JSON, so that the worker unpickles nothing. There is one kind of job: run a cycle of a project. The queue holds
only the time to run it. The registry stores the pending events; the worker queues a job again within a minute if a killed
process, or the loss of the whole queue, has lost it.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from huey import Huey, RedisHuey, SqliteHuey
from huey.api import Task
from huey.consumer import Consumer
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

from backend.jobs.queue_file import QueueUnavailable, explain_damage

__all__ = ["JobQueue"]

NAME = "galaxyloop"
POLL_S = 0.5
"""Longest interval at which an idle worker polls the queue file; a Redis read blocks until a job arrives."""
RETRY_S = 5.0
"""Longest time between two attempts while Redis is unreachable."""
CONNECT_TIMEOUT_S = 2
ANSWER_TIMEOUT_S = 5
"""Timeout of a Redis command, seconds; longer than the second that an idle worker waits in Redis for a job."""


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
        The queue's SQLite file; created if it is missing.
    url : str
        URL of Redis, ``redis://HOST:PORT/DATABASE``; empty for the file.

    Raises
    ------
    ValueError
        If `url` is not a Redis URL, or the driver is not installed.
    QueueUnavailable
        If the file cannot be used.
    """

    def __init__(self, file: Path, *, url: str = "") -> None:
        self._huey, self._unavailable, self._longest_sleep_s = _on_redis(url) if url else _on_file(file)
        self._run_cycle: Callable[[int], None] | None = None
        self._job = self._huey.task(name="answer")(self._run)

    def schedule(self, project_id: int, *, delay_s: float) -> None:
        """Queue a cycle of a project, `delay_s` seconds from now.

        Raises
        ------
        QueueUnavailable
            If Redis cannot be reached, or the file cannot be used.
        """
        with self._translate_errors():
            self._job.schedule((project_id,), delay=delay_s)

    def list_queued(self, *, within_s: float = math.inf) -> set[int]:
        """Return the projects with a job that is due within so many seconds.

        Raises
        ------
        QueueUnavailable
            If Redis cannot be reached, or the file cannot be used.
        """
        latest = datetime.now(UTC).timestamp() + within_s
        with self._translate_errors():
            tasks = [*self._huey.pending(), *self._huey.scheduled()]
            return {task.args[0] for task in tasks if task.args and _due_at(task) <= latest}

    def forget(self, project_id: int) -> None:
        """Delete the jobs of a project.

        Raises
        ------
        QueueUnavailable
            If Redis cannot be reached, or the file cannot be used.
        """
        storage = self._huey.storage
        with self._translate_errors():
            for data in [*storage.enqueued_items(), *storage.scheduled_items()]:
                if list(self._huey.serializer.deserialize(data).args or ()) != [project_id]:
                    continue
                if isinstance(storage, SqliteStorage):
                    for table in ("task", "schedule"):
                        storage.sql(f"delete from {table} where queue = ? and data = ?", (storage.name, data), commit=True)
                else:
                    storage.conn.lrem(storage.queue_key, 0, data)
                    storage.conn.zrem(storage.schedule_key, data)

    def work(self, run_cycle: Callable[[int], None], *, reconcile: Callable[[], None]) -> None:
        """Run the queued jobs until the process receives a signal to end.

        Parameters
        ----------
        run_cycle : callable
            Runs a cycle of the project with the given id.
        reconcile : callable
            Called immediately and then once a minute, for changes without an event.
        """
        self._run_cycle = run_cycle
        self._huey.periodic_task(lambda _: True, name="reconcile")(reconcile)
        for name in ("Worker", "Scheduler"):
            logging.getLogger(f"huey.consumer.{name}").addFilter(self._without_traceback)
        reconcile()
        Consumer(self._huey, workers=1, worker_type="thread", max_delay=self._longest_sleep_s, backoff=1.5).run()

    def _run(self, project_id: int) -> None:
        if self._run_cycle is None:
            raise RuntimeError("this process queues jobs and does not work on them")
        self._run_cycle(project_id)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except self._unavailable as error:
            raise QueueUnavailable(f"the queue cannot be used: {error}") from error

    def _without_traceback(self, record: logging.LogRecord) -> bool:
        """Replace huey's repeated traceback about an unavailable queue by one line."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, (*self._unavailable, QueueUnavailable)):
            record.msg, record.args, record.exc_info = "event=queue_unavailable error=%r", (str(error),), None
        return True


def _due_at(task: Task) -> float:
    """Return when a job is due, Unix time, 0 for immediately; huey stores UTC times without a time zone."""
    return 0.0 if task.eta is None else float(task.eta.replace(tzinfo=UTC).timestamp())


Queue = tuple[Huey, tuple[type[Exception], ...], float]
"""The queue, the errors that it raises when it is unavailable, and the longest sleep of an idle worker, seconds."""


def _on_file(file: Path) -> Queue:
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        queue = SqliteHuey(NAME, filename=str(file), results=False, serializer=JsonSerializer())
    except sqlite3.Error as error:
        raise explain_damage(file, error) from error
    return queue, (sqlite3.Error,), POLL_S


def _on_redis(url: str) -> Queue:
    if find_spec("redis") is None:
        raise ValueError("a queue in Redis needs its driver: pip install 'galaxyloop[services]'")
    from redis import ConnectionPool
    from redis.exceptions import RedisError

    try:
        pool = ConnectionPool.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=ANSWER_TIMEOUT_S)
    except ValueError as error:
        raise ValueError("GALAXYLOOP_QUEUE_URL is not a URL such as redis://redis:6379/0") from error
    return RedisHuey(NAME, connection_pool=pool, results=False, serializer=JsonSerializer()), (RedisError,), RETRY_S
