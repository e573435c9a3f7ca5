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
    from backend.jobs.liveness import duration, life_of
    from backend.registry.damage import damage_in_words
    from backend.server.coverage import Coverage
    from sync.labelling.config import not_supported

    services = open_services(read_settings())
    for kind in KINDS:
        console.print(f"{kind} {life_of(services.engine, kind)}", soft_wrap=True, highlight=False)
    waiting_s, coverage = services.pending_events.waiting_s(), Coverage(services.settings)
    table = Table(
        "project",
        Column("live", no_wrap=True),
        "published",
        "without prediction",
        "events wait",
        "when",
        "what the loop last did",
    )
    sentences = []
    for project in services.registry.projects():
        live = services.registry.version(project.id, project.live_version)
        published = "yes" if project.published_version == project.live_version else "not yet"
        waits = f"for {duration(waiting_s[project.id])}" if project.id in waiting_s else "no"
        missing = None if project.away else coverage.of(project.id, live.name)
        lacking = "not known" if missing is None else f"{missing} tasks"
        table.add_row(str(project.id), live.name, published, lacking, waits, _time(project.status_at), escape(project.status))
        sentences += damage_in_words(services.registry, project.id)
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
    found = services.registry.versions(project)
    table = Table(Column("version", no_wrap=True), "verdict", "made", "learned from", "judged on", "reason")
    for version in found:
        evidence = version.evidence
        table.add_row(
            f"[bold]{version.name}[/]" if version.number == live else version.name,
            "live" if version.number == live else version.verdict,
            _time(version.created_at),
            _learned_from(version),
            str(evidence.get("judged_on", "")),
            escape(str(evidence.get("reason", ""))),
        )
    console.print(table)
    if any(_measured(version) for version in found):
        console.print(_comparisons(found))
    if any(version.effort for version in found):
        console.print(_efforts(found))
    if unknown := EffortStore(services.engine).unknown(project):
        console.print(f"not measured, for their predictions are gone or another model's: {unknown} annotations")


def rollback(
    project: ProjectId, version: Annotated[str, typer.Argument(help="Its name, like v0003-3f9a7c, or v0003 for short.")]
) -> None:
    """Make an earlier version live again, effective immediately; the worker then stores its predictions."""
    from backend.jobs.liveness import work_to_come
    from backend.registry.damage import version_damage
    from backend.registry.records import RegistryError

    services = open_services(read_settings())
    try:
        found = services.registry.version_named(project, version)
        if reason := version_damage(services.registry, project, found.number):
            stop(f"{found.name} of project {project} is damaged and cannot go live: {reason}")
        services.registry.promote(project, found.number)
    except RegistryError as error:
        stop_for(error)
    services.mark_now(project)
    known = services.registry.project(project)
    then = known.status if known.away else work_to_come(services.engine, "stores its predictions")
    console.print(f"{found.name} of project {project} is live; {then}", soft_wrap=True)


def _learned_from(version: Version) -> str:
    """Return the number of annotations that a version was trained on, and of tasks left out for unreadable annotations."""
    left_out = version.evidence.get("left_out", 0)
    return f"{version.learned_from}; tasks left out: {left_out}" if left_out else str(version.learned_from)


def _efforts(versions: Sequence[Version]) -> Table:
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
            table.add_row(version.name, escape(control), str(effort.predicted), *_shares(effort), str(effort.added))
    return table


def _shares(effort: Effort) -> list[str]:
    accepted, edited, rejected = (
        f"{count / effort.predicted:.0%}" if effort.predicted else ""
        for count in (effort.accepted, effort.edited, effort.rejected)
    )
    return [accepted, edited, _score(effort.mean_overlap), rejected]


def _comparisons(versions: Sequence[Version]) -> Table:
    """Return a table of the gate's measurements for each control, and the version of the head that it chose."""
    table = Table(
        Column("version", no_wrap=True),
        "control",
        Column("head from", no_wrap=True),
        "against the live version",
        "against the shipped head",
        "tasks",
        "judged by",
        "calibration error",
    )
    names = {version.number: version.name for version in versions}
    for version in versions:
        for control, measured in _measured(version).items():
            source = version.heads.get(control)
            taken = names.get(source, "") if source is not None else "not taken"
            calibration = measured.get("calibration", {}).get("candidate", {}).get("ece")
            table.add_row(
                version.name,
                escape(control) or "clicks",
                "shipped" if source == BASE_NUMBER else taken,
                _difference(measured["versus_live"]),
                _difference(measured["versus_shipped"]),
                str(measured["judged_on"]),
                str(measured.get("by", "")),
                _score(calibration),
            )
    return table


def _measured(version: Version) -> dict[str, dict[str, Any]]:
    """Return a version's comparisons by control; empty for a version that an earlier release compared by its mean scores."""
    controls: dict[str, dict[str, Any]] = version.evidence.get("controls", {})
    return {name: one for name, one in controls.items() if "versus_live" in one}


def _difference(comparison: dict[str, Any]) -> str:
    if not comparison["tasks"]:
        return str(comparison["answer"])
    return f"{comparison['answer']}: {comparison['difference']:+.3f} ({comparison['low']:+.3f} to {comparison['high']:+.3f})"


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def _score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""
