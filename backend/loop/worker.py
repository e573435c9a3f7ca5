"""The worker: answers bells, one cycle a project at a time, in a process that steps back behind the server.

It may be killed anywhere: every step of a cycle is either repeated harmlessly or found done.
"""

from __future__ import annotations

import logging
import os
import time

import torch
from sqlalchemy.exc import DatabaseError

from backend.jobs.heartbeat import Heartbeat
from backend.jobs.lease import LeaseLostError, hold_lease
from backend.jobs.memory import return_free_memory
from backend.jobs.queue import QueueUnavailable
from backend.loop.cycle import run_cycle
from backend.projects.presence import note_detached, why_no_cycle
from backend.registry.connection import is_unusable, reason_of
from backend.services import Services
from sync.label_studio.attach import NotAttachedError
from sync.label_studio.client import LabelStudioError, LabelStudioUnavailable

__all__ = ["answer", "reconcile", "run_worker"]

log = logging.getLogger("galaxyloop.worker")

RETRY_S = 5.0
"""Wait before the next try while Label Studio or the database is down, or another worker holds the project."""


def run_worker(services: Services) -> None:
    """Work until the process is told to end."""
    settings = services.settings
    os.nice(settings.worker_niceness)
    torch.set_num_threads(settings.threads)
    last = 0.0

    def every_minute() -> None:
        nonlocal last
        try:
            if time.monotonic() - last >= settings.reconcile_every_s or not last:
                reconcile(services)
                last = time.monotonic()
            else:
                queue_pending(services)
        except QueueUnavailable as error:
            log.warning("event=queue_unavailable error=%r", str(error))
        except DatabaseError as error:
            if not is_unusable(error):
                raise
            log.warning("event=database_unavailable error=%r", reason_of(error))

    with Heartbeat(services.engine, "worker").running() as heartbeat:

        def work_on(project_id: int) -> None:
            with heartbeat.working_on(project_id):
                answer(services, project_id)
            return_free_memory()

        def turn() -> None:
            every_minute()
            heartbeat.turned()

        services.queue.work(work_on, reconcile=turn)


def reconcile(services: Services) -> None:
    """Ring for every project, so that whatever happened without an event is found; queue the answers."""
    services.pending_events.mark(project.id for project in services.registry.projects())
    queue_pending(services)


def queue_pending(services: Services) -> None:
    """Queue the answers that were lost with a worker or with the queue."""
    settings = services.settings
    # A job that is due later than any is queued for was queued by a clock that ran ahead.
    latest_s = 2 * (settings.lease_s + settings.webhook_patience_s + settings.webhook_debounce_s) + RETRY_S
    for project_id in services.pending_events.pending().keys() - services.queue.queued(within_s=latest_s):
        services.queue.schedule(project_id, delay_s=0)


def answer(services: Services, project_id: int) -> None:
    """Answer a project's bell: wait for quiet, run one cycle, and again if it rang meanwhile."""
    try:
        _answer(services, project_id)
    except DatabaseError as error:
        if not is_unusable(error):
            raise
        log.warning("event=database_unavailable project=%d error=%r", project_id, reason_of(error))
        services.schedule(project_id, delay_s=RETRY_S)


def _answer(services: Services, project_id: int) -> None:
    settings = services.settings
    handled = services.pending_events.pending().get(project_id)
    if handled is None:
        return
    ready_at = handled.ready_at(debounce_s=settings.webhook_debounce_s, patience_s=settings.webhook_patience_s)
    # Never longer than patience allows: a clock that was set back would have a bell that rang in the future.
    wait_s = min(ready_at - services.pending_events.now(), settings.webhook_patience_s)
    if wait_s > 0:
        services.schedule(project_id, delay_s=wait_s)
        return
    with hold_lease(services.engine, project_id, seconds=settings.lease_s) as lost:
        if lost is None:
            services.schedule(project_id, delay_s=RETRY_S)
            return
        services.resume_lease(project_id, lost.name, before=lost.before)
        # If this worker is killed, this wakes another as soon as the lease has run out; if not, it finds nothing to do.
        services.schedule(project_id, delay_s=settings.lease_s + 1)
        try:
            absence = why_no_cycle(services, project_id)
            _set_status(services, project_id, absence or run_cycle(services, project_id, lost))
        except LabelStudioUnavailable as error:
            lost.expire_if_unanswered(error)
            log.warning("event=label_studio_unavailable project=%d error=%r", project_id, str(error))
            services.registry.set_status(project_id, f"waiting for Label Studio: {error}")
            services.schedule(project_id, delay_s=RETRY_S)
            return
        except NotAttachedError:
            _set_status(services, project_id, note_detached(services, project_id))
        except LabelStudioError as error:
            # It answered, and refused: asking again at once would change nothing, the next event or reconciliation will.
            if _set_status(services, project_id, f"stopped: {error}"):
                log.error("event=label_studio_refused project=%d error=%r", project_id, str(error))
        except Exception as error:
            if isinstance(error, DatabaseError) and is_unusable(error):
                raise
            if lost.is_set() or isinstance(error, LeaseLostError):
                log.warning("event=taken_over project=%d", project_id)
                return
            log.exception("event=cycle_failed project=%d", project_id)
            services.registry.set_status(project_id, "the last cycle failed; the worker's log says why")
    services.pending_events.acknowledge(project_id, handled)
    if project_id in services.pending_events.pending():
        services.schedule(project_id, delay_s=settings.webhook_debounce_s)


def _set_status(services: Services, project_id: int, status: str) -> bool:
    """Record what came of a cycle; return whether it is news, which a refusal that is met every two minutes is only once."""
    before = services.registry.project(project_id).status
    services.registry.set_status(project_id, status)
    return status != before
