"""`galaxyloop versions`: the versions of a project with the evidence for and against each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table
from rich.text import Text

from backend.cli.startup import open_existing_services, read_settings
from backend.cli.tables import print_table
from backend.cli.terminal import AsJson, ProjectId, console, format_time, print_json, stop_for
from backend.registry.records import BASE_NUMBER, title_of_head

if TYPE_CHECKING:
    from backend.registry.records import Effort, Version

__all__ = ["versions"]


def versions(project: ProjectId, as_json: AsJson = False) -> None:
    """List a project's versions with the gate's evidence for each, and the annotators' effort with their predictions."""
    from backend.loop.effort.store import EffortStore
    from backend.registry.records import RegistryError

    services = open_existing_services(read_settings())
    try:
        live = services.registry.project(project).live_version
    except RegistryError as error:
        stop_for(error)
    history = services.registry.versions(project)
    if as_json:
        print_json([_record(version) | {"live": version.number == live} for version in history])
        return
    table = Table(Column("version", no_wrap=True), "verdict", "created", "trained on", "compared on", "reason")
    for version in history:
        evidence = version.evidence
        table.add_row(
            Text(version.name, "bold" if version.number == live else ""),
            "live" if version.number == live else version.verdict,
            format_time(version.created_at),
            _format_training_size(version),
            str(evidence.get("judged_on", "")),
            str(evidence.get("reason", "")),
        )
    print_table(table)
    if any(_read_comparisons(version) for version in history):
        console.print()
        print_table(_make_comparison_table(history))
    if any(version.effort for version in history):
        console.print()
        print_table(_make_effort_table(history))
    if unknown := EffortStore(services.engine).unknown(project):
        console.print(f"not measured, because their predictions were deleted or come from another model: {unknown} annotations")


def _record(version: Version) -> dict[str, Any]:
    """Return a version as JSON; `docs/commands.md` documents the keys, which scripts read."""
    return {
        "name": version.name,
        "verdict": version.verdict,
        "created_at": version.created_at,
        "annotations": version.learned_from,
        "evidence": version.evidence,
        "effort": {control: asdict(effort) for control, effort in version.effort.items()},
    }


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
        "unedited",
        "edited",
        "IoU",
        "rejected",
        "added",
    )
    for version in versions:
        for control, effort in version.effort.items():
            table.add_row(version.name, control, str(effort.predicted_count), *_format_shares(effort), str(effort.added))
    return table


def _format_shares(effort: Effort) -> list[str]:
    accepted_share, edited_share, rejected_share = (
        f"{count / effort.predicted_count:.0%}" if effort.predicted_count else ""
        for count in (effort.accepted, effort.edited, effort.rejected)
    )
    return [accepted_share, edited_share, _format_score(effort.mean_overlap), rejected_share]


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
        for control, comparisons in _read_comparisons(version).items():
            source = version.heads.get(control)
            origin = names.get(source, "") if source is not None else "not taken"
            calibration = comparisons.get("calibration", {}).get("candidate", {}).get("ece")
            table.add_row(
                version.name,
                title_of_head(control),
                "shipped" if source == BASE_NUMBER else origin,
                _format_difference(comparisons["versus_live"]),
                _format_difference(comparisons["versus_shipped"]),
                str(comparisons["judged_on"]),
                str(comparisons.get("by", "")),
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


def _format_score(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else ""
