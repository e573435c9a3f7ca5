"""`galaxyloop rollback`, `pin` and `unpin`: which version of a project is live, on demand of a user."""

from __future__ import annotations

from typing import Annotated

import typer

from backend.cli.startup import open_existing_services, read_settings
from backend.cli.terminal import ProjectId, console, stop, stop_for

__all__ = ["pin", "rollback", "unpin"]

NAME = "Name of the version, such as v0003-3f9a7c, or v0003 for short"


def rollback(project: ProjectId, version: Annotated[str, typer.Argument(help=f"{NAME}.")]) -> None:
    """Make an earlier version live again, effective immediately; the worker then stores its predictions."""
    from backend.jobs.liveness import describe_next_work
    from backend.projects.live_version import DamagedVersionError, make_live
    from backend.registry.records import RegistryError

    services = open_existing_services(read_settings())
    try:
        version_name = make_live(services, project, version)
    except DamagedVersionError as error:
        stop(str(error))
    except RegistryError as error:
        stop_for(error)
    record = services.registry.project(project)
    next_work = record.status if record.away else describe_next_work(services.engine, "stores its predictions")
    suffix = " and stays pinned" if record.pinned else ""
    console.print(f"{version_name.name} of project {project} is live{suffix}; {next_work}", soft_wrap=True)


def pin(project: ProjectId, version: Annotated[str, typer.Argument(help=f"{NAME}; without it, the live one.")] = "") -> None:
    """Keep a version live, whatever the gate measures; the worker trains and compares further versions all the same."""
    from backend.projects import live_version
    from backend.registry.records import RegistryError

    services = open_existing_services(read_settings())
    try:
        version_name = live_version.pin(services, project, version)
    except live_version.DamagedVersionError as error:
        stop(str(error))
    except RegistryError as error:
        stop_for(error)
    console.print(f"{version_name.name} of project {project} is live and pinned", soft_wrap=True)


def unpin(project: ProjectId) -> None:
    """Let better versions replace the live one again."""
    from backend.projects import live_version
    from backend.registry.records import RegistryError

    services = open_existing_services(read_settings())
    try:
        live = live_version.unpin(services, project)
    except RegistryError as error:
        stop_for(error)
    console.print(f"{live.name} of project {project} is live and not pinned", soft_wrap=True)
