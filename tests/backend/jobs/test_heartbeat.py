"""Heartbeats: written during the work; they show whether a process works, waits, is stuck, was killed or has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from backend.jobs.heartbeat import LOST_AFTER_S, STUCK_AFTER_S, Heartbeat, Process, read_processes
from backend.registry.tables import ProcessRow
from backend.server.app import create_app
from backend.services import Services

pytestmark = pytest.mark.databases

WORKING = Process("worker", "here", 1, seen_s=1, iterated_s=1, ended=False, project_id=None, working_s=None)


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pass_time(services: Services, seconds: float) -> None:
    """Move the heartbeats of all processes `seconds` into the past."""
    with Session(services.engine) as session:
        session.execute(
            update(ProcessRow).values(seen_at=ProcessRow.seen_at - seconds, turned_at=ProcessRow.turned_at - seconds)
        )
        session.commit()


def test_a_process_is_alive_while_it_runs_and_ended_afterwards(services: Services) -> None:
    assert read_processes(services.engine, "worker") == []
    with Heartbeat(services.engine, "worker").run():
        (process,) = read_processes(services.engine, "worker")
        assert (process.state, process.pid, process.alive) == ("alive", os.getpid(), True)
        assert read_processes(services.engine, "server") == []
    (process,) = read_processes(services.engine, "worker")
    assert (process.state, process.alive) == ("ended", False)


def test_heartbeats_continue_while_the_main_loop_is_busy(services: Services) -> None:
    with Heartbeat(services.engine, "worker", every_s=0.02).run() as heartbeat, heartbeat.record_work(7):
        (before,) = read_processes(services.engine, "worker")
        assert before.project_id == 7
        wait_until(lambda: (read_processes(services.engine, "worker")[0].working_s or 0) > 0.5)
        (after,) = read_processes(services.engine, "worker")
        assert after.seen_s < 0.5 < after.iterated_s
        assert after.alive
    assert read_processes(services.engine, "worker")[0].project_id is None


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "alive"),
        ({"seen_s": LOST_AFTER_S + 1}, "lost"),
        ({"seen_s": LOST_AFTER_S + 1, "project_id": 7, "working_s": 100.0}, "lost"),
        ({"iterated_s": STUCK_AFTER_S["worker"] + 1}, "stuck"),
        ({"iterated_s": 3600.0, "project_id": 7, "working_s": 3600.0}, "alive"),
        ({"kind": "server", "iterated_s": STUCK_AFTER_S["server"] + 1}, "stuck"),
        ({"ended": True}, "ended"),
    ],
)
def test_the_state_depends_on_the_heartbeat_and_the_main_loop(change: dict[str, Any], state: str) -> None:
    assert replace(WORKING, **change).state == state


@pytest.mark.slow
def test_a_killed_process_is_lost_and_running_ones_are_listed_first(
    services: Services, open_services: Callable[..., Services]
) -> None:
    settings = services.settings
    script = f"""
import time
from backend.registry.database import open_database
from backend.jobs.heartbeat import Heartbeat
with Heartbeat(open_database({settings.database!r}), "worker").run():
    print("runs", flush=True)
    time.sleep(100)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "runs\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    pass_time(services, LOST_AFTER_S + 1)
    assert [process.state for process in read_processes(services.engine, "worker")] == ["lost"]
    with Heartbeat(services.engine, "worker").run():
        assert [process.state for process in read_processes(services.engine, "worker")] == ["alive", "lost"]


def test_after_a_clock_reset_killed_processes_are_lost_and_running_ones_alive(services: Services) -> None:
    """The first process writes its next heartbeat after the test, like a killed one."""
    with Heartbeat(services.engine, "worker").run(), Heartbeat(services.engine, "worker", every_s=0.05).run():
        pass_time(services, -3600)
        wait_until(lambda: any(process.alive for process in read_processes(services.engine, "worker")))
        assert [process.state for process in read_processes(services.engine, "worker")] == ["alive", "lost"]


def test_a_new_process_deletes_the_rows_of_ended_ones(services: Services) -> None:
    for _ in range(3):
        with Heartbeat(services.engine, "worker").run():
            assert len(read_processes(services.engine, "worker")) == 1


def test_the_server_writes_heartbeats(open_services: Callable[..., Services]) -> None:
    services = open_services()
    with TestClient(create_app(services)):
        (process,) = read_processes(services.engine, "server")
        assert process.alive
    assert [process.state for process in read_processes(services.engine, "server")] == ["ended"]
