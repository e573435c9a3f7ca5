"""Metrics of the figures of each project, from the stored reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from backend.registry.store import Registry
from backend.reports.report import ControlReport, Report, VersionReport
from backend.reports.store import ReportStore

__all__ = ["ReportMetrics"]


class ReportMetrics(Collector):
    """Reads the report of each project at every scrape; a report is parsed again only if a newer one is stored."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._store = ReportStore(registry.engine)
        self._reports: dict[int, tuple[float, Report]] = {}

    def collect(self) -> Iterator[GaugeMetricFamily]:
        reports = [report for project in self._registry.projects() if (report := self._read(project.id)) is not None]
        yield from _project_metrics(reports)
        yield from _scores(reports)
        yield from _control_metrics(reports)

    def _read(self, project_id: int) -> Report | None:
        made_at = self._store.made_at(project_id)
        entry = self._reports.get(project_id)
        if made_at is None:
            return None
        if entry is None or entry[0] != made_at:
            report = self._store.read(project_id)
            if report is None:
                return None
            self._reports[project_id] = entry = made_at, report
        return entry[1]


def _project_metrics(reports: list[Report]) -> Iterator[GaugeMetricFamily]:
    labels = GaugeMetricFamily("galaxyloop_labels", "Annotated tasks.", labels=["project"])
    tasks = GaugeMetricFamily("galaxyloop_tasks", "Tasks of the project.", labels=["project"])
    made_at = GaugeMetricFamily("galaxyloop_report_timestamp_seconds", "Unix time of the newest report.", labels=["project"])
    seconds = GaugeMetricFamily(
        "galaxyloop_annotation_seconds",
        "Median time of an annotation that was begun from a prediction of the newest version with such annotations.",
        labels=["project"],
    )
    for report in reports:
        name = [str(report.project)]
        labels.add_metric(name, report.annotated)
        tasks.add_metric(name, report.tasks)
        made_at.add_metric(name, report.made_at)
        times = [_newest(control, lambda version: version.median_seconds) for control in report.controls]
        known_times = [time for time in times if time is not None]
        if known_times:
            seconds.add_metric(name, known_times[0])
    yield from (labels, tasks, made_at, seconds)


def _scores(reports: list[Report]) -> Iterator[GaugeMetricFamily]:
    names = ["project", "control", "metric"]
    score = GaugeMetricFamily("galaxyloop_score", "Score of the live version on held-out tasks.", labels=names)
    low = GaugeMetricFamily("galaxyloop_score_low", "Lower bound of the 95 % interval of the score.", labels=names)
    high = GaugeMetricFamily("galaxyloop_score_high", "Upper bound of the 95 % interval of the score.", labels=names)
    for report in reports:
        for control in report.controls:
            live = next((version for version in control.versions if version.number == report.live), None)
            for metric, value in live.metrics.items() if live is not None else ():
                labels = [str(report.project), control.name, metric]
                score.add_metric(labels, value.value)
                if value.low is not None and value.high is not None:
                    low.add_metric(labels, value.low)
                    high.add_metric(labels, value.high)
    yield from (score, low, high)


def _control_metrics(reports: list[Report]) -> Iterator[GaugeMetricFamily]:
    names = ["project", "control"]
    kappa = GaugeMetricFamily("galaxyloop_kappa", "Cohen's kappa of the two newest versions' predictions.", labels=names)
    accepted_share = GaugeMetricFamily(
        "galaxyloop_accepted_share",
        "Share of predicted regions that were submitted unedited, of the newest version with annotations.",
        labels=names,
    )
    gain = GaugeMetricFamily("galaxyloop_forecast_gain", "Forecast of the gain of score by the next 100 labels.", labels=names)
    high = GaugeMetricFamily("galaxyloop_forecast_gain_high", "Upper bound of the forecast's 68 % interval.", labels=names)
    stop = GaugeMetricFamily("galaxyloop_may_stop", "1 if more labels are not expected to bring anything.", labels=names)
    for report in reports:
        for control in report.controls:
            labels = [str(report.project), control.name]
            change = _newest(control, lambda version: version.change.value if version.change else None)
            share = _newest(control, lambda version: version.accepted)
            forecast = control.curve.forecast if control.curve else None
            estimate = forecast.gain if forecast else None
            _add(kappa, labels, change)
            _add(accepted_share, labels, share)
            _add(gain, labels, estimate.value if estimate else None)
            _add(high, labels, estimate.high if estimate else None)
            _add(stop, labels, float(forecast.may_stop) if forecast else None)
    yield from (kappa, accepted_share, gain, high, stop)


def _newest(control: ControlReport, value_of: Callable[[VersionReport], float | None]) -> float | None:
    """Return the value of the newest version that has one."""
    values = (value_of(version) for version in reversed(control.versions))
    return next((value for value in values if value is not None), None)


def _add(family: GaugeMetricFamily, labels: list[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)
