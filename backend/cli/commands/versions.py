"""`galaxyloop status`, `versions` and `rollback`: show the state of the loop and its versions, and undo a promotion."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from backend.cli.startup import open_services, read_settings
from backend.cli.terminal import ProjectId, console, stop, stop_for
from backend.registry.records import BASE_NUMBER

if TYPE_CHECKING:
    from backend.registry.records import Effort, Version

__all__ = ["rollback", "status", "versions"]


def status() -> None:
    """Show whether server and worker run, and each project's live version, pending events and last status."""
    from backend.jobs.heartbeat import KINDS
    from backend.jobs.liveness import describe_processes, format_duration
    from backend.registry.damage import describe_damage
    from backend.server.coverage import Coverage
    from sync.labelling.config import not_supported

    services = open_services(read_settings())
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
        published = "yes" if project.published_version == project.live_version else "not yet"
        waits = f"for {format_duration(waiting_s[project.id])}" if project.id in waiting_s else "no"
        missing = None if project.away else coverage.of(project.id, live.name)
        lacking = "not known" if missing is None else f"{missing} tasks"
        table.add_row(
            str(project.id), live.name, published, lacking, waits, _format_time(project.status_at), escape(project.status)
        )
        sentences += describe_damage(services.registry, project.id)
        unsupported = not_supported(project.label_config)
        sentences += [f"not supported in project {project.id}: {sentence}" for sentence in unsupported]
    console.print(table)
    for sentence in sentences:
        console.print(sentence, soft_wrap=True, highlight=False, markup=False)


def versions(project: ProjectId) -> None:
    """List a project's versions with the gate's evidence for each, and the annotators' effort with their predictions."""
    from backend.loop.effort.store import EffortStore
    from backend.registry.records import RegistryError

    services = open_services(read_settings())
    try:
        live = services.registry.project(project).live_version
    except RegistryError as error:
        stop_for(error)
    history = services.registry.versions(project)
    table = Table(Column("version", no_wrap=True), "verdict", "created", "trained on", "compared on", "reason")
    for version in history:
        evidence = version.evidence
        table.add_row(
            f"[bold]{version.name}[/]" if version.number == live else version.name,
            "live" if version.number == live else version.verdict,
            _format_time(version.created_at),
            _format_training_size(version),
            str(evidence.get("judged_on", "")),
            escape(str(evidence.get("reason", ""))),
        )
    console.print(table)
    if any(_read_comparisons(version) for version in history):
        console.print(_make_comparison_table(history))
    if any(version.effort for version in history):
        console.print(_make_effort_table(history))
    if unknown := EffortStore(services.engine).unknown(project):
        console.print(f"not measured, because their predictions were deleted or come from another model: {unknown} annotations")


def rollback(
    project: ProjectId,
    version: Annotated[str, typer.Argument(help="Name of the version, such as v0003-3f9a7c, or v0003 for short.")],
) -> None:
    """Make an earlier version live again, effective immediately; the worker then stores its predictions."""
    from backend.jobs.liveness import describe_next_work
    from backend.registry.damage import find_version_damage
    from backend.registry.records import RegistryError

    services = open_services(read_settings())
    try:
        chosen = services.registry.version_named(project, version)
        if reason := find_version_damage(services.registry, project, chosen.number):
            stop(f"{chosen.name} of project {project} is damaged and cannot go live: {reason}")
        services.registry.promote(project, chosen.number)
    except RegistryError as error:
        stop_for(error)
    services.mark_now(project)
    known = services.registry.project(project)
    then = known.status if known.away else describe_next_work(services.engine, "stores its predictions")
    console.print(f"{chosen.name} of project {project} is live; {then}", soft_wrap=True)


def _format_training_size(version: Version) -> str:
    """Return the number of annotations that a version was trained on, and of tasks left out for unreadable annotations."""
    left_out = version.evidence.get("left_out", 0)
    return f"{version.learned_from}; tasks left out: {left_out}" if left_out else str(version.learned_from)


def _make_effort_table(versions: Sequence[Version]) -> Table:
    """Return a table of the annotators' effort with the predicted regions of each version, by control."""
    table = Table(
        Column("version", no_wrap=True),
        "control",
        "predicted",
        "accepted unedited",
        "edited",
        "IoU of edited",
        "rejected",
        "added",
    )
    for version in versions:
        for control, effort in version.effort.items():
            table.add_row(version.name, escape(control), str(effort.predicted), *_format_shares(effort), str(effort.added))
    return table


def _format_shares(effort: Effort) -> list[str]:
    accepted, edited, rejected = (
        f"{count / effort.predicted:.0%}" if effort.predicted else ""
        for count in (effort.accepted, effort.edited, effort.rejected)
    )
    return [accepted, edited, _format_score(effort.mean_overlap), rejected]


def _make_comparison_table(versions: Sequence[Version]) -> Table:
    """Return a table of the gate's measurements for each control, and the version of the head that it chose."""
    table = Table(
        Column("version", no_wrap=True),
        "control",
        Column("head of", no_wrap=True),
        "against the live version",
        "against the shipped head",
        "tasks",
        "compared by",
        "calibration error",
    )
    names = {version.number: version.name for version in versions}
    for version in versions:
        for control, measured in _read_comparisons(version).items():
            source = version.heads.get(control)
            taken = names.get(source, "") if source is not None else "not taken"
            calibration = measured.get("calibration", {}).get("candidate", {}).get("ece")
            table.add_row(
                version.name,
                escape(control) or "clicks",
                "shipped" if source == BASE_NUMBER else taken,
                _format_difference(measured["versus_live"]),
                _format_difference(measured["versus_shipped"]),
                str(measured["judged_on"]),
                str(measured.get("by", "")),
                _format_score(calibration),
            )
    return table


def _read_comparisons(version: Version) -> dict[str, dict[str, Any]]:
    """Return a version's comparisons by control; empty for a version that an earlier release compared by its mean scores."""
    controls: dict[str, dict[str, Any]] = version.evidence.get("controls", {})
    return {name: comparison for name, comparison in controls.items() if "versus_live" in comparison}


def _format_difference(comparison: dict[str, Any]) -> str:
    if not comparison["tasks"]:
        return str(comparison["answer"])
    return f"{comparison['answer']}: {comparison['difference']:+.3f} ({comparison['low']:+.3f} to {comparison['high']:+.3f})"


def _format_time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def _format_score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""
