"""`galaxyloop project detach` and `forget`: detach the backend from a project, and delete this installation's data about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.startup import open_services_if_any, read_settings
from backend.cli.terminal import ProjectId, console, stop, stop_for, wrong_call

if TYPE_CHECKING:
    from backend.services import Services

__all__ = ["detach", "forget"]


def detach(project: ProjectId) -> None:
    """Remove backend and webhook from a project in Label Studio; versions and stored predictions are kept."""
    from backend.projects.presence import DETACHED
    from backend.registry.records import RegistryError
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.projects import detach_backend, project_state

    services = open_services_if_any(read_settings())
    try:
        project_state(services.label_studio, project)
        was_attached = detach_backend(services.label_studio, project, url=services.settings.public_url)
    except (LabelStudioError, ValueError) as error:
        stop_for(error)
    try:
        services.registry.project(project)
    except RegistryError:
        is_registered = False
    else:
        is_registered = True
        services.registry.set_away(project, DETACHED)
        services.registry.set_status(project, f"detached: galaxyloop project attach {project}")
    if not was_attached:
        wrong_call(f"project {project} has no backend at {services.settings.public_url}")
    console.print(f"project {project} is detached" + ("; its versions are kept" if is_registered else ""))


def forget(
    project: ProjectId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Detach a project if it still exists, and delete all data of this installation about it, with its versions."""
    from backend.projects.forget import ProjectInUseError, forget_project
    from sync.label_studio.client import LabelStudioError

    services = open_services_if_any(read_settings())
    if not yes:
        typer.confirm(
            f"Delete all versions and records of project {project} in this installation? Annotations in Label Studio are kept.",
            abort=True,
        )
    try:
        where = _detach_where_it_exists(services, project)
        is_registered = forget_project(services, project, patience_s=services.settings.lease_s + 1)
    except (LabelStudioError, ProjectInUseError, ValueError) as error:
        stop(f"{error}; nothing was deleted")
    if not is_registered and not where:
        wrong_call(f"project {project} is not registered here: there is nothing to delete")
    console.print(f"project {project} is forgotten{where}")


def _detach_where_it_exists(services: Services, project: int) -> str:
    """Detach the project if it is the one that was attached here; return a phrase for the message, or "" if it was not."""
    from backend.registry.records import RegistryError
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.origin import is_same_project
    from sync.label_studio.projects import detach_backend, project_state

    try:
        origin = services.registry.project(project).origin
    except RegistryError:
        origin = ""
    try:
        state = project_state(services.label_studio, project)
    except LabelStudioError as error:
        if error.status != 404:
            raise
        return ""
    if not is_same_project(origin, state.created_at):
        return ""  # another project has this number now and must not be changed
    return " and detached" if detach_backend(services.label_studio, project, url=services.settings.public_url) else ""
