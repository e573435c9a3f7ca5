"""The queue: jobs are project numbers in JSON, handled by one process and queued by any; in a file, and in Redis."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backend.jobs.queue import JobQueue
from backend.jobs.queue_file import QueueUnavailable

WORKER = """
import os, signal, sys
from pathlib import Path
from backend.jobs.queue import JobQueue

def answer(project_id):
    print("answered", project_id, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

JobQueue(Path(sys.argv[1]), url=sys.argv[2]).work(answer, reconcile=lambda: print("looked", flush=True))
"""


class Place(NamedTuple):
    """Storage of a queue: a file or Redis."""

    file: Path
    redis: Any = None

    def open(self) -> JobQueue:
        return JobQueue(self.file, url=self.redis.url if self.redis else "")

    def messages(self) -> list[bytes]:
        """Return all stored values."""
        if self.redis:
            client = self.redis.client
            return [*client.lrange("huey.redis.galaxyloop", 0, -1), *client.zrange("huey.schedule.galaxyloop", 0, -1)]
        with sqlite3.connect(self.file) as connection:
            tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
            return [
                bytes(value)
                for table in tables
                for row in connection.execute(f"select * from {table}")
                for value in row
                if isinstance(value, bytes | memoryview)
            ]

    def slip_in(self, message: bytes) -> None:
        if self.redis:
            self.redis.client.lpush("huey.redis.galaxyloop", message)
            return
        with sqlite3.connect(self.file) as connection:
            assert connection.execute("update task set data = ?", (message,)).rowcount == 1


@pytest.fixture(params=["file", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    file = tmp_path / "made" / "queue.db"
    if request.param == "file":
        return Place(file)
    redis: Any = request.getfixturevalue("redis")
    redis.client.flushall()
    return Place(file, redis)


def test_a_new_queue_is_empty(place: Place) -> None:
    assert place.open().list_queued() == set()


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 3600.0])
def test_a_job_waits_until_it_is_due(place: Place, delay_s: float) -> None:
    place.open().schedule(7, delay_s=delay_s)
    assert place.open().list_queued() == {7}
    assert place.open().list_queued(within_s=1800) == ({7} if delay_s < 1800 else set())


def test_a_message_is_json_and_never_a_pickle(place: Place) -> None:
    queue = place.open()
    queue.schedule(7, delay_s=0)
    queue.schedule(8, delay_s=3600)
    assert sorted(json.loads(message)["args"] for message in place.messages()) == [[7], [8]]


def test_a_pickle_in_the_queue_is_not_loaded(place: Place, tmp_path: Path) -> None:
    queue, trap = place.open(), tmp_path / "trap"
    if place.redis is None:
        queue.schedule(7, delay_s=3600)
    place.slip_in(b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR.")
    assert place.open().list_queued() == set()
    assert not trap.exists()


def test_a_process_that_only_queues_runs_no_job(place: Place) -> None:
    with pytest.raises(RuntimeError, match="queues jobs and does not work on them"):
        place.open()._job.call_local(7)


def test_a_worker_reconciles_first_and_then_runs_queued_jobs(place: Place) -> None:
    place.open().schedule(7, delay_s=0)
    command = [sys.executable, "-c", WORKER, place.file, place.redis.url if place.redis else ""]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.stdout.startswith("looked\n"), process.stderr
    assert "answered 7" in process.stdout
    assert 7 not in place.open().list_queued()


# -- Redis alone --


def test_a_queue_in_redis_creates_no_file(redis: Any, tmp_path: Path) -> None:
    JobQueue(tmp_path / "made" / "queue.db", url=redis.url)
    assert list(tmp_path.iterdir()) == []


def test_unreachable_redis_is_reported_in_one_sentence(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.db", url="redis://127.0.0.1:1/0")
    for ask in (queue.list_queued, lambda: queue.schedule(7, delay_s=0)):
        with pytest.raises(QueueUnavailable, match=r"the queue cannot be used: .*127.0.0.1:1.*refused"):
            ask()


def test_a_worker_continues_when_redis_is_available_again(redis: Any, tmp_path: Path) -> None:
    redis.stop()
    command = [sys.executable, "-c", WORKER, tmp_path / "queue.db", redis.url]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == "looked\n"
        redis.start()
        JobQueue(tmp_path / "queue.db", url=redis.url).schedule(7, delay_s=0)
        output, errors = worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert "answered 7" in output, errors
    assert "Traceback" not in errors


def test_the_log_of_huey_about_unreachable_redis_is_one_line(tmp_path: Path) -> None:
    queue = JobQueue(tmp_path / "queue.db", url="redis://127.0.0.1:1/0")
    try:
        queue.list_queued()
    except QueueUnavailable as away:
        exc_info = (type(away), away, away.__traceback__)
    record = logging.LogRecord("huey", logging.ERROR, "", 0, "Error reading from queue", (), exc_info)
    assert queue._without_traceback(record)
    assert record.exc_info is None
    assert record.getMessage().startswith("event=queue_unavailable error=")


@pytest.mark.parametrize("url", ["queue", "http://redis:6379"])
def test_an_invalid_redis_url_is_rejected(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="GALAXYLOOP_QUEUE_URL is not a URL such as redis://"):
        JobQueue(tmp_path / "queue.db", url=url)


def test_a_missing_driver_is_named_with_the_install_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("backend.jobs.queue.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs its driver: pip install 'galaxyloop\[services\]'"):
        JobQueue(tmp_path / "queue.db", url="redis://redis:6379/0")


def test_many_threads_can_use_a_queue_at_the_same_time(place: Place) -> None:
    queue, errors = place.open(), []

    def schedule(project: int) -> None:
        try:
            queue.schedule(project, delay_s=3600)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=schedule, args=(project,)) for project in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert queue.list_queued() == set(range(20))
