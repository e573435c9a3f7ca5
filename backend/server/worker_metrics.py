"""Metrics of the workers, which have no HTTP server: the server reads what they have written to the registry."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.registry.records import COMPARED_ON, Effort, Version
from backend.registry.store import Registry
from backend.registry.worker_figures import WorkerFigures, WorkerFiguresStore

__all__ = ["WorkerMetrics"]

EFFORT_VERSIONS = 10
"""Newest versions in which the effort of each control is looked up: a scrape takes as long with 500 versions as with 10."""
HEADS = ("candidate", "live", "shipped")
"""Heads that the gate compares (`backend/loop/gate/evidence.py`)."""


class WorkerMetrics(Collector):
    """Reads cycles, trainings, the newest gate and the effort of each project at every scrape."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._figures = WorkerFiguresStore(registry.engine)

    def collect(self) -> Iterator[Metric]:
        yield from _work_metrics(self._figures.read())
        projects = [project.id for project in self._registry.projects()]
        yield from _gate_metrics({project: self._registry.newest_compared(project) for project in projects})
        yield from _effort_metrics(
            {project: self._registry.newest_with_effort(project, limit=EFFORT_VERSIONS) for project in projects}
        )


def _work_metrics(figures: list[WorkerFigures]) -> Iterator[Metric]:
    cycles = CounterMetricFamily("galaxyloop_cycles", "Cycles of the worker.", labels=["project"])
    cycle_s = CounterMetricFamily("galaxyloop_cycle_seconds", "Time of all cycles.", labels=["project"])
    errors = CounterMetricFamily("galaxyloop_cycle_errors", "Cycles that ended with an error.", labels=["project"])
    trainings = CounterMetricFamily("galaxyloop_trainings", "Trained versions.", labels=["project"])
    training_s = CounterMetricFamily("galaxyloop_training_seconds", "Time of all trainings.", labels=["project"])
    last_s = GaugeMetricFamily("galaxyloop_last_training_seconds", "Time of the newest training.", labels=["project"])
    for project in figures:
        labels = [str(project.project_id)]
        cycles.add_metric(labels, project.cycles)
        cycle_s.add_metric(labels, project.cycle_seconds)
        errors.add_metric(labels, project.failed_cycles)
        trainings.add_metric(labels, project.trainings)
        training_s.add_metric(labels, project.training_seconds)
        if project.last_training_seconds is not None:
            last_s.add_metric(labels, project.last_training_seconds)
    yield from (cycles, cycle_s, errors, trainings, training_s, last_s)


def _gate_metrics(newest_of: dict[int, Version | None]) -> Iterator[Metric]:
    score = GaugeMetricFamily(
        "galaxyloop_gate_score",
        "Mean agreement with annotators of the heads that the newest gate compared.",
        labels=["project", "control", "head"],
    )
    gate_tasks = GaugeMetricFamily("galaxyloop_gate_tasks", "Tasks on which the newest gate compared.", labels=["project"])
    number = GaugeMetricFamily("galaxyloop_gate_version", "Number of the newest compared version.", labels=["project"])
    for project, newest in newest_of.items():
        if newest is None:
            continue
        number.add_metric([str(project)], newest.number)
        gate_tasks.add_metric([str(project)], newest.evidence[COMPARED_ON])
        for control, control_evidence in newest.evidence.get("controls", {}).items():
            for head in HEADS:
                if isinstance(value := control_evidence.get(head), int | float):
                    score.add_metric([str(project), control, head], value)
    yield from (score, gate_tasks, number)


def _effort_metrics(versions_of: dict[int, list[Version]]) -> Iterator[Metric]:
    regions = GaugeMetricFamily(
        "galaxyloop_regions",
        "Regions of the newest version with annotations, by what annotators did with them.",
        labels=["project", "control", "action"],
    )
    edits = GaugeMetricFamily(
        "galaxyloop_edited_share",
        "Share of predicted regions that annotators edited or rejected, of the newest version with annotations.",
        labels=["project", "control"],
    )
    for project, versions in versions_of.items():
        newest: dict[str, Effort] = {}
        for version in reversed(versions):  # oldest first
            newest |= {control: effort for control, effort in version.effort.items() if effort.predicted_count}
        for control, effort in newest.items():
            labels = [str(project), control]
            edits.add_metric(labels, 1 - effort.accepted / effort.predicted_count)
            for action in ("accepted", "edited", "rejected", "added"):
                regions.add_metric([*labels, action], getattr(effort, action))
    yield from (regions, edits)
