"""Descriptions of server and worker for commands: whether they run, when they last ran, and how to restart them."""

from __future__ import annotations

import datetime
import time

from sqlalchemy import Engine

from backend.jobs.heartbeat import Kind, Process, read_processes

__all__ = ["describe_next_work", "describe_processes", "format_duration", "format_time_ago", "is_alive"]


def is_alive(engine: Engine, kind: Kind) -> bool:
    """Return whether at least one process of a kind is alive."""
    return any(process.alive for process in read_processes(engine, kind))


def describe_processes(engine: Engine, kind: Kind) -> str:
    """Describe the processes of a kind in one line."""
    processes = read_processes(engine, kind)
    if not processes:
        return f"does not run, and none has run before: start galaxyloop {kind}"
    running = [process for process in processes if process.alive]
    if running:
        return "; ".join(_describe_running(process) for process in running)
    return _describe_stopped(processes[0])


def describe_next_work(engine: Engine, work: str) -> str:
    """Describe the worker's next work, or explain that no worker is alive.

    Parameters
    ----------
    engine : Engine
    work : str
        The work as a verb phrase, such as "stores its predictions".
    """
    if is_alive(engine, "worker"):
        return f"the worker {work}"
    return f"no worker {work} now: it {describe_processes(engine, 'worker')}"


def format_duration(seconds: float) -> str:
    """Format a duration in days, hours, minutes or seconds: the largest unit of which there are two."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_time_ago(seconds_ago: float) -> str:
    """Format the time `seconds_ago` seconds before now, by this machine's clock and in its time zone, which is named."""
    return datetime.datetime.fromtimestamp(time.time() - seconds_ago).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def _describe_running(process: Process) -> str:
    last_seen = f"process {process.pid} on {process.host}, seen {format_duration(process.seen_s)} ago"
    if process.project_id is None or process.working_s is None:
        return f"runs: {last_seen}"
    return f"has worked on project {process.project_id} since {format_time_ago(process.working_s)}: {last_seen}"


def _describe_stopped(process: Process) -> str:
    name = f"process {process.pid} on {process.host}"
    if process.state == "stuck":
        since = format_time_ago(process.iterated_s)
        remedy = "check whether its queue can be reached; otherwise " if process.kind == "worker" else ""
        return f"hangs: {name} runs, but its loop has not run since {since}; {remedy}end it and start galaxyloop {process.kind}"
    how = "ended" if process.state == "ended" else "last seen"
    return f"does not run: {name} {how} {format_time_ago(process.seen_s)}; start galaxyloop {process.kind}"
