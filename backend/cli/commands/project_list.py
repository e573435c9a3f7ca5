"""`galaxyloop project list`: list the projects of Label Studio, and registered projects that Label Studio no longer has."""

from __future__ import annotations

from rich.table import Column, Table
from rich.text import Text

from backend.cli.startup import open_services, read_settings
from backend.cli.terminal import console, stop_for

__all__ = ["list_projects"]


def list_projects() -> None:
    """List all projects: tasks, annotated tasks, whether the backend is attached, the live version and the last status."""
    from sync.label_studio.attach import check_attachment
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.projects import list_states

    services = open_services(read_settings())
    records = {project.id: project for project in services.registry.projects()}
    table = Table("project", "title", "tasks", "annotated", "backend", Column("live", no_wrap=True), "last status")
    try:
        client = services.label_studio
        for state in list_states(client):
            backend, events = check_attachment(client, state.id, url=services.settings.public_url)
            project = records.pop(state.id, None)
            table.add_row(
                str(state.id),
                state.title,
                str(state.task_count),
                str(state.annotated_count),
                _attachment(backend, events),
                services.registry.version(project.id, project.live_version).name if project else "",
                project.status if project else "",
            )
    except (LabelStudioError, ValueError) as error:
        stop_for(error)
    for project in records.values():
        live = services.registry.version(project.id, project.live_version).name
        table.add_row(str(project.id), Text("not in Label Studio", "dim"), "", "", "", live, project.status)
    console.print(table)


def _attachment(backend: bool, events: bool) -> str:
    if backend and not events:
        return "attached, no webhook"
    return "attached" if backend else "not attached"
