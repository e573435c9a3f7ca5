"""`galaxyloop status`: the state of the loop, and the figures of one project, in 80 columns or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column, Table

from backend.cli.project_figures import print_project
from backend.cli.startup import open_existing_services, read_settings
from backend.cli.tables import print_table
from backend.cli.terminal import AsJson, console, format_time, print_json, stop_for
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
    from backend.reports.summary import Summary
    from backend.services import Services

__all__ = ["status"]

LARGE_FIELDS: dict[str, Any] = {"map": True, "galleries": {"__all__": {"tasks": {"__all__": {"jpeg"}}}}}
"""Fields of a report that are only for the page: the map has one point per task, and galleries have images."""


def status(
    project: Annotated[
        int | None,
        typer.Argument(
            metavar="[PROJECT]", min=1, max=MAX_ID, help="Number of a project; without it, all projects are listed."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show server, worker and projects; or the scores, learning curve and forecast of one project."""
    from backend.registry.records import RegistryError
    from backend.reports.summary import read_summaries, read_summary

    services = open_existing_services(read_settings())
    try:
        if project is not None:
            summary = read_summary(services.registry, project)
            print_json(_record(summary)) if as_json else print_project(summary)
        elif as_json:
            projects = [_record(summary) for summary in read_summaries(services.registry)]
            print_json(_processes(services) | {"projects": projects})
        else:
            _print_loop(services)
    except RegistryError as error:
        stop_for(error)


def _processes(services: Services) -> dict[str, Any]:
    from backend.jobs.heartbeat import KINDS
    from backend.jobs.liveness import describe_processes, is_alive

    return {
        kind: {"alive": is_alive(services.engine, kind), "state": describe_processes(services.engine, kind)} for kind in KINDS
    }


def _record(summary: Summary) -> dict[str, Any]:
    """Return a project's figures; `docs/commands.md` documents the keys, which scripts read."""
    project = summary.project
    return {
        "project": project.id,
        "live": summary.live.name,
        "pinned": project.pinned,
        "published": project.published_version == project.live_version,
        "away": project.away,
        "now": summary.now,
        "pending_s": summary.pending_s,
        "status": project.status,
        "status_at": project.status_at,
        "versions": [
            {
                "name": version.name,
                "verdict": version.verdict,
                "created_at": version.created_at,
                "annotations": version.learned_from,
                "reason": str(version.evidence.get("reason", "")),
            }
            for version in summary.versions
        ],
        "report": summary.report.model_dump(mode="json", exclude=LARGE_FIELDS) if summary.report is not None else None,
    }


def _print_loop(services: Services) -> None:
    """Print whether server and worker run, and each project's live version, pending events and last status."""
    from backend.jobs.heartbeat import KINDS
    from backend.jobs.liveness import describe_processes, format_duration
    from backend.registry.damage import describe_damage
    from backend.server.coverage import Coverage
    from sync.labelling.config import find_unsupported

    for kind in KINDS:
        console.print(f"{kind} {describe_processes(services.engine, kind)}", soft_wrap=True, highlight=False)
    waiting_s, coverage = services.pending_events.waiting_s(), Coverage(services.settings)
    table = Table(
        "project",
        Column("live", no_wrap=True),
        "published",
        "without prediction",
        "pending events",
        "when",
        "last status",
    )
    sentences = []
    for project in services.registry.projects():
        live = services.registry.version(project.id, project.live_version)
        publication = "yes" if project.published_version == project.live_version else "not yet"
        waits = f"for {format_duration(waiting_s[project.id])}" if project.id in waiting_s else "no"
        task_count = None if project.away else coverage.of(project.id, live.name)
        lacking = "not known" if task_count is None else f"{task_count} tasks"
        name = f"{live.name}, pinned" if project.pinned else live.name
        table.add_row(str(project.id), name, publication, lacking, waits, format_time(project.status_at), project.status)
        sentences += describe_damage(services.registry, project.id)
        unsupported_tags = find_unsupported(project.label_config)
        sentences += [f"not supported in project {project.id}: {sentence}" for sentence in unsupported_tags]
    print_table(table)
    for sentence in sentences:
        console.print(sentence, soft_wrap=True, highlight=False)
