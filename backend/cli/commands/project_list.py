"""`galaxyloop project list`: list the projects of Label Studio, and registered projects that Label Studio no longer has."""

from __future__ import annotations

from typing import Any

from rich.table import Column, Table

from backend.cli.startup import open_services_if_any, read_settings
from backend.cli.tables import print_table
from backend.cli.terminal import AsJson, print_json, stop_for

__all__ = ["list_projects"]


def list_projects(as_json: AsJson = False) -> None:
    """List all projects: tasks, annotated tasks, whether the backend is attached, the live version and the last status."""
    from sync.label_studio.attach import check_attachment
    from sync.label_studio.client import LabelStudioError
    from sync.label_studio.projects import list_states

    services = open_services_if_any(read_settings())
    records = {project.id: project for project in services.registry.projects()}
    rows: list[dict[str, Any]] = []
    try:
        client = services.label_studio
        for state in list_states(client):
            backend, events = check_attachment(client, state.id, url=services.settings.public_url)
            project = records.pop(state.id, None)
            rows.append(
                {
                    "project": state.id,
                    "title": state.title,
                    "tasks": state.task_count,
                    "annotated": state.annotated_count,
                    "backend": _attachment(backend, events),
                    "live": project.live_name if project else "",
                    "status": project.status if project else "",
                }
            )
    except (LabelStudioError, ValueError) as error:
        stop_for(error)
    for project in records.values():
        absent = {"title": "", "tasks": None, "annotated": None, "backend": "not in Label Studio"}
        rows.append({"project": project.id, **absent, "live": project.live_name, "status": project.status})
    if as_json:
        print_json(rows)
        return
    table = Table("project", "title", "tasks", "annotated", "backend", Column("live", no_wrap=True), "last status")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    print_table(table)


def _attachment(backend: bool, events: bool) -> str:
    if backend and not events:
        return "attached, no webhook"
    return "attached" if backend else "not attached"
