"""`galaxyloop check`: check that the loop can work; with `--worker`, the health check of the workers' containers."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.startup import explain_missing_registry, read_settings
from backend.cli.terminal import console, stop

if TYPE_CHECKING:
    from sqlalchemy import Engine

__all__ = ["check"]


def check(
    worker: Annotated[bool, typer.Option("--worker", help="Check only that a worker runs on this machine.")] = False,
) -> None:
    """Check that database, queue and data folder can be used and that server and worker run; exit code 1 if not."""
    from backend.jobs.queue import JobQueue
    from backend.jobs.queue_file import QueueUnavailable
    from backend.registry.connection import DatabaseUnavailable
    from backend.registry.database import check_tables, open_database

    settings = read_settings()
    if reason := explain_missing_registry(settings):
        stop(reason)
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_database(settings.database, password=settings.database_password.get_secret_value())
        check_tables(engine)
        JobQueue(settings.queue_file, url=settings.queue_url).list_queued()
    except (DatabaseUnavailable, QueueUnavailable, ValueError) as error:
        stop(str(error))
    except OSError as error:
        stop(f"the data folder {settings.data_dir} cannot be used: {error.strerror} ({error.filename})")
    if not os.access(settings.data_dir, os.W_OK):
        stop(f"the data folder {settings.data_dir} cannot be written")
    console.print("database, queue and data folder can be used")
    if worker:
        _check_worker_here(engine)
    else:
        _check_processes(engine)


def _check_worker_here(engine: Engine) -> None:
    from backend.jobs.heartbeat import read_processes

    local_workers = [process for process in read_processes(engine, "worker") if process.host == socket.gethostname()]
    if not any(process.alive for process in local_workers):
        stop(f"no worker on this machine is alive: {local_workers[0].state if local_workers else 'none has run'}")
    console.print("the worker on this machine is alive")


def _check_processes(engine: Engine) -> None:
    from backend.jobs.heartbeat import KINDS
    from backend.jobs.liveness import describe_processes, is_alive

    for kind in KINDS:
        if is_alive(engine, kind):
            console.print(f"{kind} {describe_processes(engine, kind)}", soft_wrap=True, highlight=False)
    silent_processes = [f"the {kind} {describe_processes(engine, kind)}" for kind in KINDS if not is_alive(engine, kind)]
    if silent_processes:
        stop("; ".join(silent_processes))
