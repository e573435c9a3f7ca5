"""The exclusive lease of a project: pre-labelling stores predictions while no other process stores for the same project."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend.jobs.lease import hold_lease, holder
from backend.prelabel.errors import PrelabelError
from backend.registry.records import Project
from backend.services import Services

__all__ = ["exclusive_project"]

log = logging.getLogger("galaxyloop.prelabel")

RETRY_S = 0.5
"""Interval, seconds, at which this process requests a lease that another process holds."""


@contextmanager
def exclusive_project(services: Services, project: Project) -> Iterator[None]:
    """Wait for the project's lease, and hold it while the block runs.

    Raises
    ------
    PrelabelError
        If another version has gone live since `project` was read.
    """
    is_logged = False
    while True:
        with hold_lease(services.engine, project.id, seconds=services.settings.lease_s) as lease:
            if lease is not None:
                live = services.registry.project(project.id)
                if live.live_version != project.live_version:
                    raise PrelabelError(
                        f"{live.live_name} went live while {project.live_name} predicted: "
                        f"run galaxyloop prelabel {project.id} again"
                    )
                yield
                return
        is_logged = is_logged or _log_lease_holder(services, project)
        time.sleep(RETRY_S)


def _log_lease_holder(services: Services, project: Project) -> bool:
    """Log which process holds the project; return False if the lease is free now."""
    lease = holder(services.engine, project.id)
    if lease is not None:
        log.warning(
            "project %d is used by %s: waiting until it has finished, or, if it was killed, for %.0f s",
            project.id,
            lease.name,
            lease.seconds,
        )
    return lease is not None
