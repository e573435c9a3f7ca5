"""Descriptions of server and worker for commands: whether they run, when they last ran, and how to restart them."""

from __future__ import annotations

import datetime
import time

from sqlalchemy import Engine

from backend.jobs.heartbeat import Kind, Process, read_processes

__all__ = ["clock_time", "duration", "is_alive", "life_of", "work_to_come"]


def is_alive(engine: Engine, kind: Kind) -> bool:
    """Return whether at least one process of a kind is alive."""
    return any(process.alive for process in read_processes(engine, kind))


def life_of(engine: Engine, kind: Kind) -> str:
    """Describe the processes of a kind in one line."""
    processes = read_processes(engine, kind)
    if not processes:
        return f"does not run and never has: start galaxyloop {kind}"
    running = [process for process in processes if process.alive]
    if running:
        return "; ".join(_running(process) for process in running)
    return _not_running(processes[0])


def work_to_come(engine: Engine, work: str) -> str:
    """Describe the worker's next work, or explain that no worker is alive.

    Parameters
    ----------
    engine : Engine
    work : str
        The work as a verb phrase, such as "stores its predictions".
    """
    if is_alive(engine, "worker"):
        return f"the worker {work}"
    return f"no worker {work} now: it {life_of(engine, 'worker')}"


def duration(seconds: float) -> str:
    """Format a duration in days, hours, minutes or seconds: the largest unit of which there are two."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def clock_time(seconds_ago: float) -> str:
    """Format the time `seconds_ago` seconds before now, by this machine's clock."""
    return datetime.datetime.fromtimestamp(time.time() - seconds_ago).strftime("%Y-%m-%d %H:%M:%S")


def _running(process: Process) -> str:
    seen = f"process {process.pid} on {process.host}, seen {duration(process.seen_s)} ago"
    if process.project_id is None or process.working_s is None:
        return f"runs: {seen}"
    return f"works on project {process.project_id} since {clock_time(process.working_s)}: {seen}"


def _not_running(process: Process) -> str:
    name = f"process {process.pid} on {process.host}"
    if process.state == "stuck":
        since = clock_time(process.turned_s)
        away = "see whether its queue can be reached, else " if process.kind == "worker" else ""
        return (
            f"hangs: {name} runs, but its loop has not turned since {since}; {away}end it and start galaxyloop {process.kind}"
        )
    how = "ended" if process.state == "ended" else "last seen"
    return f"does not run: {name} {how} {clock_time(process.seen_s)}; start galaxyloop {process.kind}"
