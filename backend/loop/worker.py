"""The worker: runs one cycle at a time for projects with pending events, in a process of lower priority than the server.

It may be killed at any point: every step of a cycle can be repeated.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy.exc import DatabaseError

from backend.jobs.heartbeat import Heartbeat
from backend.jobs.lease import Lease, LeaseLostError, hold_lease
from backend.jobs.memory import return_free_memory
from backend.jobs.pending import EventTimes
from backend.jobs.queue_file import QueueUnavailable
from backend.projects.presence import check_presence, forget_unknown_projects, record_detached
from backend.registry.connection import is_unusable, reason_of
from backend.registry.worker_figures import WorkerFiguresStore
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.attach import NotAttachedError
from sync.label_studio.client import LabelStudioError, LabelStudioUnavailable

if TYPE_CHECKING:
    from backend.loop.session import ProjectSession

__all__ = ["handle_events", "queue_pending", "reconcile", "run_worker"]

log = logging.getLogger("galaxyloop.worker")

RETRY_S = 5.0
"""Wait before the next try while Label Studio or the database is down, or another worker holds the project."""
CHECK_EVERY_S = 60.0
"""Interval at which the queue calls the worker's check."""


def run_worker(services: Services) -> None:
    """Run the worker until the process is terminated."""
    settings = services.settings
    os.nice(settings.worker_niceness)
    if settings.reconcile_every_s < CHECK_EVERY_S:
        log.warning(
            "event=setting_raised variable=GALAXYLOOP_RECONCILE_EVERY_S value=%g used=%g reason='checked once a minute'",
            settings.reconcile_every_s,
            CHECK_EVERY_S,
        )
    sessions: dict[int, ProjectSession] = {}
    reconciled_at: float | None = None

    def check() -> None:
        nonlocal reconciled_at
        clock_s = time.monotonic()
        try:
            if reconciled_at is None or is_due(clock_s - reconciled_at, every_s=settings.reconcile_every_s):
                reconcile(services)
                reconciled_at = clock_s
            else:
                queue_pending(services)
        except QueueUnavailable as error:
            log.warning("event=queue_unavailable error=%r", str(error))
        except DatabaseError as error:
            if not is_unusable(error):
                raise
            log.warning("event=database_unavailable error=%r", reason_of(error))

    with Heartbeat(services.engine, "worker").run() as heartbeat:

        def work_on(project_id: int) -> None:
            from backend.loop.session import ProjectSession  # imports torch: a worker without projects does not need it

            if project_id not in sessions:
                sessions[project_id] = ProjectSession(services.label_studio, project_id)
            with heartbeat.record_work(project_id):
                handle_events(services, sessions[project_id])
            return_free_memory()

        def check_and_beat() -> None:
            check()
            heartbeat.record_iteration()

        services.queue.work(work_on, reconcile=check_and_beat)


def is_due(elapsed_s: float, *, every_s: float) -> bool:
    """Return whether a periodic action is due: its time has passed, or is closer to now than to the next check."""
    return elapsed_s >= every_s - CHECK_EVERY_S / 2


def reconcile(services: Services) -> None:
    """Mark all projects, so that changes without an event are found; queue their cycles."""
    forget_unknown_projects(services)
    services.pending_events.mark(project.id for project in services.registry.projects())
    queue_pending(services)


def queue_pending(services: Services) -> None:
    """Queue the cycles of projects with pending events whose jobs were lost with a worker or with the queue."""
    latest_s = _longest_delay_s(services.settings)
    for project_id in services.pending_events.pending().keys() - services.queue.list_queued(within_s=latest_s):
        services.queue.schedule(project_id, delay_s=0)


def handle_events(services: Services, session: ProjectSession) -> None:
    """Run one cycle for a project's pending events after the debounce; queue another if events arrive meanwhile."""
    project_id = session.project_id
    try:
        pending = services.pending_events.pending().get(project_id)
        if pending is not None:
            _handle(services, session, pending)
    except DatabaseError as error:
        if not is_unusable(error):
            raise
        log.warning("event=database_unavailable project=%d error=%r", project_id, reason_of(error))
        services.schedule(project_id, delay_s=RETRY_S)


def _handle(services: Services, session: ProjectSession, pending: EventTimes) -> None:
    settings, project_id = services.settings, session.project_id
    ready_at = pending.ready_at(debounce_s=settings.webhook_debounce_s, patience_s=settings.webhook_patience_s)
    # Bounded by the patience: if the clock was set back, an event may have a time in the future.
    wait_s = min(ready_at - services.pending_events.read_time(), settings.webhook_patience_s)
    if wait_s > 0:
        services.schedule(project_id, delay_s=wait_s)
        return
    with hold_lease(services.engine, project_id, seconds=settings.lease_s) as lease:
        if lease is None:
            services.schedule(project_id, delay_s=RETRY_S)
            return
        session.resume(lease)
        # If this worker is killed, this job starts another cycle after the lease has expired; otherwise the job does nothing.
        services.schedule(project_id, delay_s=settings.lease_s + 1)
        if not _run_and_report(services, session, lease):
            return
    services.pending_events.acknowledge(project_id, pending)
    if project_id in services.pending_events.pending():
        services.schedule(project_id, delay_s=settings.webhook_debounce_s)


def _run_and_report(services: Services, session: ProjectSession, lease: Lease) -> bool:
    """Run a cycle and record its outcome; return whether the events are handled, and need no retry."""
    project_id = session.project_id
    figures, start_s, has_failed = WorkerFiguresStore(services.engine), time.monotonic(), True
    try:
        absence = check_presence(services, project_id)
        _set_status(services, project_id, absence or _load_cycle(services.settings.threads)(services, session, lease))
        has_failed = False
    except LabelStudioUnavailable as error:
        lease.expire_if_unanswered(error)
        log.warning("event=label_studio_unavailable project=%d error=%r", project_id, str(error))
        services.registry.set_status(project_id, f"waiting for Label Studio: {error}")
        figures.add_cycle(project_id, seconds=time.monotonic() - start_s, failed=True)
        services.schedule(project_id, delay_s=RETRY_S)
        return False
    except NotAttachedError:
        _set_status(services, project_id, record_detached(services, project_id))
        has_failed = False
    except LabelStudioError as error:
        # Label Studio refused the request: an immediate retry would fail too. The next event or reconciliation retries.
        if _set_status(services, project_id, f"stopped: {error}"):
            log.error("event=label_studio_refused project=%d error=%r", project_id, str(error))
    except OSError as error:
        # A full or read-only disk. Annotations are in Label Studio, and the next event or reconciliation starts another cycle.
        reason = f"{error.filename or services.settings.data_dir} cannot be used: {error.strerror or error}"
        if _set_status(services, project_id, f"stopped: {reason}"):
            log.error("event=data_folder_unusable project=%d reason=%r", project_id, reason)
    except Exception as error:
        if isinstance(error, DatabaseError) and is_unusable(error):
            raise
        if lease.is_set() or isinstance(error, LeaseLostError):
            log.warning("event=lease_lost project=%d", project_id)
            return False
        log.exception("event=cycle_failed project=%d", project_id)
        services.registry.set_status(project_id, "the last cycle failed; the worker's log has the error")
    figures.add_cycle(project_id, seconds=time.monotonic() - start_s, failed=has_failed)
    return True


@cache
def _load_cycle(threads: int) -> Callable[[Services, ProjectSession, Lease], str]:
    """Import the cycle, at the first cycle of the process: it needs torch, which takes most of the memory of the worker."""
    import torch

    from backend.loop.cycle import run_cycle

    torch.set_num_threads(threads)
    gc.freeze()  # a full garbage collection over torch's objects takes 0.3 s; frozen objects are not scanned
    return run_cycle


def _set_status(services: Services, project_id: int, status: str) -> bool:
    """Record the outcome of a cycle; return whether it differs from the last one."""
    previous = services.registry.project(project_id).status
    services.registry.set_status(project_id, status)
    return status != previous


def _longest_delay_s(settings: Settings) -> float:
    """Return the longest delay of a job; a job that is due later was queued while the clock was ahead."""
    return 2 * (settings.lease_s + settings.webhook_patience_s + settings.webhook_debounce_s) + RETRY_S
