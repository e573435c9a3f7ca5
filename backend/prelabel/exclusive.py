"""Taking turns: what pre-labelling stores, it stores while nobody else stores for the same project."""

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

ASK_AGAIN_S = 0.5
"""How often a lease that another process holds is asked for."""


@contextmanager
def exclusive_project(services: Services, project: Project) -> Iterator[None]:
    """Wait for the project's lease and hold it; nothing is stored for a version that is not live any more.

    Raises
    ------
    PrelabelError
        If another version went live meanwhile.
    """
    waited = False
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
        if not waited:
            waited = _say_who_is_waited_for(services, project)
        time.sleep(ASK_AGAIN_S)


def _say_who_is_waited_for(services: Services, project: Project) -> bool:
    """Say it, unless nobody holds the project any more; return whether it was said."""
    held = holder(services.engine, project.id)
    if held is not None:
        log.warning(
            "waiting for project %d, which is held by %s: until it is done, or, if it died, for %.0f s",
            project.id,
            held.who,
            held.seconds,
        )
    return held is not None
