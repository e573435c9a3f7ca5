"""The queue: jobs are project numbers in JSON, worked off by one process and queued by any."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from backend.loop.queue import JobQueue

WORKER = """
import os, signal, sys
from pathlib import Path
from backend.loop.queue import JobQueue

def answer(project_id):
    print("answered", project_id, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

JobQueue(Path(sys.argv[1])).work(answer, reconcile=lambda: None)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "queue.db"


def messages(file: Path) -> list[bytes]:
    with sqlite3.connect(file) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        return [
            bytes(value)
            for table in tables
            for row in connection.execute(f"select * from {table}")
            for value in row
            if isinstance(value, bytes | memoryview)
        ]


def test_a_new_queue_is_empty(file: Path) -> None:
    assert JobQueue(file).queued() == set()


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 3600.0])
def test_a_job_waits_until_it_is_due(file: Path, delay_s: float) -> None:
    JobQueue(file).schedule(7, delay_s=delay_s)
    assert JobQueue(file).queued() == {7}


def test_a_message_is_json_and_never_a_pickle(file: Path) -> None:
    queue = JobQueue(file)
    queue.schedule(7, delay_s=0)
    queue.schedule(8, delay_s=3600)
    found = messages(file)
    assert sorted(json.loads(message)["args"] for message in found) == [[7], [8]]


def test_a_pickle_that_somebody_slips_in_is_not_opened(file: Path, tmp_path: Path) -> None:
    queue, trap = JobQueue(file), tmp_path / "trap"
    queue.schedule(7, delay_s=3600)
    bomb = b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    with sqlite3.connect(file) as connection:
        assert connection.execute("update task set data = ?", (bomb,)).rowcount == 1
    assert JobQueue(file).queued() == set()
    assert not trap.exists()


def test_a_process_that_only_queues_does_not_work(file: Path) -> None:
    with pytest.raises(RuntimeError, match="queues jobs and does not work on them"):
        JobQueue(file)._job.call_local(7)


def test_a_worker_answers_what_another_process_queued(file: Path) -> None:
    JobQueue(file).schedule(7, delay_s=0)
    done = subprocess.run([sys.executable, "-c", WORKER, file], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "answered 7\n", done.stderr
    assert JobQueue(file).queued() == set()
