"""All that is shown of a project: its row, its versions, its report, and what the worker does now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine

from backend.jobs.heartbeat import Process, read_processes
from backend.jobs.liveness import describe_processes, format_duration, format_time_ago
from backend.jobs.pending import PendingEvents
from backend.registry.records import BASE, DAMAGED, LIVE, TRAINED, Project, Version, config_hash
from backend.registry.store import Registry
from backend.reports.estimate import Estimate, Metric
from backend.reports.metric_names import METRIC_NAMES, choose_metric, format_estimate
from backend.reports.report import ControlReport, Report, VersionReport
from backend.reports.store import ReportStore

__all__ = [
    "Headline",
    "Summary",
    "choose_headline",
    "describe_verdict",
    "fits_config",
    "list_problems",
    "live_scores",
    "read_summaries",
    "read_summary",
]

VERDICTS = {BASE: "shipped", TRAINED: "not compared yet", LIVE: "retired"}
"""Names of verdicts for people; that of the live version is "live"."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One project.

    Attributes
    ----------
    versions : sequence of Version
        Oldest first.
    report : Report or None
        The newest report; None before the first one.
    now : str
        What the worker does now and next, in one or two sentences.
    pending_s : float or None
        For how long events have been pending, seconds; None without any.
    """

    project: Project
    versions: Sequence[Version]
    report: Report | None
    now: str
    pending_s: float | None

    @property
    def live(self) -> Version:
        """The live version."""
        return next(version for version in self.versions if version.number == self.project.live_version)


@dataclass(frozen=True, slots=True)
class Headline:
    """The score that stands for a control's quality."""

    metric: Metric
    value: Estimate

    @property
    def name(self) -> str:
        """Name of the score."""
        return METRIC_NAMES[self.metric]

    def __str__(self) -> str:
        return f"{self.name} {format_estimate(self.value, self.metric)}"


def read_summary(registry: Registry, project_id: int) -> Summary:
    """Read the registry's rows of one project.

    Raises
    ------
    RegistryError
        If the project is not registered.
    """
    (summary,) = _read(registry, [registry.project(project_id)])
    return summary


def read_summaries(registry: Registry) -> list[Summary]:
    """Read the registry's rows of all projects."""
    return _read(registry, registry.projects())


def live_scores(control: ControlReport, live: int) -> VersionReport | None:
    """Return the scores of the live version; None if the report has none."""
    return next((version for version in control.versions if version.number == live), None)


def choose_headline(control: ControlReport, live: int) -> Headline | None:
    """Return the score of the live version that stands for a control's quality; None without one."""
    scores = live_scores(control, live)
    if scores is None:
        return None
    preferred_metric = control.curve.metric if control.curve is not None else None
    metric = preferred_metric if preferred_metric in scores.metrics else choose_metric(scores.metrics)
    return None if metric is None else Headline(metric, scores.metrics[metric])


def list_problems(summary: Summary) -> list[str]:
    """List the problems of a project, one sentence each."""
    problems = [*summary.report.problems] if summary.report is not None else []
    live = summary.live.number
    for version in summary.versions:
        if version.verdict == DAMAGED and version.number >= live:
            problems.append(
                f"The files of {version.name} are damaged: the last intact version predicts in its place. "
                f"galaxyloop versions {version.project_id} names the file."
            )
    return problems


def fits_config(summary: Summary, version: Version) -> bool:
    """Return whether a version can predict for the current labelling config."""
    return version.verdict == BASE or version.config_hash == config_hash(summary.project.label_config)


def describe_verdict(summary: Summary, version: Version) -> tuple[str, str]:
    """Return the verdict on a version in a few words, and the evidence for it."""
    is_live = version.number == summary.project.live_version
    reason = str(version.evidence.get("reason", ""))
    if version.verdict == DAMAGED:
        reason = "its files are damaged"
    elif not fits_config(summary, version):
        reason = f"it was made for another labelling config; {reason}"
    return "live" if is_live else VERDICTS.get(version.verdict, version.verdict), reason


def _read(registry: Registry, projects: Sequence[Project]) -> list[Summary]:
    engine = registry.engine
    waiting_s, reports = PendingEvents(engine).waiting_s(), ReportStore(engine)
    workers = read_processes(engine, "worker")
    return [
        Summary(
            project,
            registry.versions(project.id),
            reports.read(project.id),
            _describe_now(engine, workers, project, waiting_s.get(project.id)),
            waiting_s.get(project.id),
        )
        for project in projects
    ]


def _describe_now(engine: Engine, workers: Sequence[Process], project: Project, pending_s: float | None) -> str:
    if project.away == "detached":
        return f"This project is detached: galaxyloop project attach {project.id} attaches it again."
    if project.away:
        return "This project is deleted in Label Studio: its versions and figures are kept."
    alive = [worker for worker in workers if worker.alive]
    if not alive:
        return f"The worker {describe_processes(engine, 'worker')}."
    for worker in alive:
        if worker.project_id == project.id and worker.working_s is not None:
            return f"The worker has worked on this project since {format_time_ago(worker.working_s)}."
    if pending_s is not None:
        busy = ", after it has finished its work on another project" if all(worker.project_id for worker in alive) else ""
        return f"The worker reads the annotations next{busy}: an event came {format_duration(pending_s)} ago."
    return "The worker waits for annotations."
