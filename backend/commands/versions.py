"""`galaxyloop status`, `versions` and `rollback`: what the loop did, and how to undo it."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer
from rich.table import Table

from backend.commands.process import read_settings
from backend.commands.terminal import ProjectId, console, stop

__all__ = ["rollback", "status", "versions"]


def status() -> None:
    """Say of each project what is live, what waits, and what the loop last did or why it did nothing."""
    from backend.services import Services

    services = Services(read_settings())
    ringing = services.bell.ringing()
    table = Table("project", "live", "published", "events wait", "when", "what the loop last did")
    for project in services.registry.projects():
        live = services.registry.version(project.id, project.live_version)
        published = "yes" if project.published_version == project.live_version else "not yet"
        waits = "yes" if project.id in ringing else "no"
        table.add_row(str(project.id), live.name, published, waits, _time(project.status_at), project.status)
    console.print(table)


def versions(project: ProjectId) -> None:
    """List a project's versions with the evidence for and against each."""
    from backend.records import RegistryError
    from backend.services import Services

    registry = Services(read_settings()).registry
    try:
        live = registry.project(project).live_version
    except RegistryError as error:
        stop(str(error))
    table = Table("version", "verdict", "made", "learned from", "judged on", "score", "live then", "reason")
    for version in registry.versions(project):
        evidence = version.evidence
        table.add_row(
            f"[bold]{version.name}[/]" if version.number == live else version.name,
            "live" if version.number == live else version.verdict,
            _time(version.created_at),
            str(version.learned_from),
            str(evidence.get("judged_on", "")),
            _score(evidence.get("candidate")),
            _score(evidence.get("live")),
            str(evidence.get("reason", "")),
        )
    console.print(table)


def rollback(project: ProjectId, version: Annotated[str, typer.Argument(help="Its name, like v0003.")]) -> None:
    """Bring a version back: it is live at once, and the worker publishes its predictions."""
    from backend.records import RegistryError, version_number
    from backend.services import Services

    services = Services(read_settings())
    try:
        services.registry.promote(project, version_number(version))
    except RegistryError as error:
        stop(str(error))
    services.ring_at_once(project)
    console.print(f"{version} of project {project} is live; the worker stores its predictions")


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def _score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""
