"""Whether the worker can work on a project: Label Studio has it, it is attached, and it is the one that was attached here.

The registry marks a project that is deleted or detached: its cycles and their errors stop, and its versions are kept. The mark
is set only after an answer of Label Studio, and every later cycle asks again, so that a restored project continues without a
manual step. Only `galaxyloop project forget` deletes versions; a project that Label Studio never had is removed from the
registry.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from backend.projects.forget import ProjectInUseError, forget_project
from backend.registry.records import BASE_NUMBER, Project
from backend.services import Services
from sync.label_studio.attach import check_attachment
from sync.label_studio.client import LabelStudioError
from sync.label_studio.origin import find_absence, is_same_project, read_origin
from sync.label_studio.projects import project_state

__all__ = ["DETACHED", "GONE", "check_presence", "forget_unknown_projects", "record_detached"]

log = logging.getLogger("galaxyloop.presence")

GONE, DETACHED = "gone", "detached"
NOT_FOUND = 404


def check_presence(services: Services, project_id: int) -> str:
    """Read the project's state from Label Studio and mark the project accordingly.

    Returns
    -------
    str
        Why the worker cannot work on the project, in one sentence for `galaxyloop status`; empty if it can.

    Raises
    ------
    LabelStudioError
        If Label Studio does not answer, or the key may not read the project; then the marks are kept.
    """
    registry, client = services.registry, services.label_studio
    project = registry.project(project_id)
    try:
        state = project_state(client, project_id)
    except LabelStudioError as error:
        if error.status != NOT_FOUND:
            raise
        return _record_absent(services, project)
    if not is_same_project(project.origin, state.created_at):
        return (
            f"stopped: project {project_id} of {client.url} is not the one that was attached here, but was created at "
            f"{state.created_at}: galaxyloop project forget {project_id}, then attach it"
        )
    if not project.origin:
        registry.set_origin(project_id, read_origin(client, project_id))
    if project.away == DETACHED and not check_attachment(client, project_id, url=services.settings.public_url)[0]:
        return _describe_detached(project_id)
    if project.away:
        registry.set_away(project_id, "")
        log.info("event=project_restored project=%d", project_id)
    return ""


def record_detached(services: Services, project_id: int) -> str:
    """Mark a project to which this backend is not attached in Label Studio; return the sentence for its status."""
    if services.registry.project(project_id).away != DETACHED:
        services.registry.set_away(project_id, DETACHED)
        log.warning("event=project_detached project=%d url=%s", project_id, services.settings.public_url)
    return _describe_detached(project_id)


def forget_unknown_projects(services: Services) -> None:
    """Remove projects without trained versions that Label Studio never had: a webhook registers any project that it names."""
    registry = services.registry
    for project in registry.projects():
        has_versions = any(version.number != BASE_NUMBER for version in registry.versions(project.id))
        if project.away != GONE or project.origin or has_versions:
            continue
        with suppress(ProjectInUseError):  # the next reconciliation tries again
            forget_project(services, project.id, patience_s=0)
            log.info("event=unknown_project_forgotten project=%d", project.id)


def _record_absent(services: Services, project: Project) -> str:
    absence = find_absence(services.label_studio, project.id, project.origin)
    if absence is None:  # the project exists now: it appeared only after the first request
        return "waiting for Label Studio"
    if not absence.deleted:
        return (
            f"stopped: {services.label_studio.url} is another Label Studio than the one that project {project.id} was attached "
            "in, or its key belongs to another organization"
        )
    if project.away != GONE:
        services.registry.set_away(project.id, GONE)
        log.warning("event=project_gone project=%d", project.id)
    return f"deleted in Label Studio; its versions are kept until: galaxyloop project forget {project.id}"


def _describe_detached(project_id: int) -> str:
    return f"detached; its versions are kept, and it continues after galaxyloop project attach {project_id}"
