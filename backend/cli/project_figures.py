"""The figures of one project in a terminal of 80 columns: what its page shows, without charts and images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from backend.cli.terminal import console, format_time

if TYPE_CHECKING:
    from backend.reports.estimate import Metric
    from backend.reports.report import ControlReport, Report
    from backend.reports.summary import Headline, Summary

__all__ = ["print_project"]

IN_TABLE = 2
"""Scores in the table of versions, with their intervals."""
MOST_CONFUSIONS = 5
"""Confusions of two classes that are listed, the most frequent first."""


def print_project(summary: Summary) -> None:
    """Print the state, scores, forecasts, versions and problems of a project."""
    from backend.reports.summary import list_problems

    project, report = summary.project, summary.report
    pin_note = ", pinned" if project.pinned else ""
    _print(f"project {project.id}: {summary.live.name} is live{pin_note}")
    _print(summary.now)
    _print(f"last result ({format_time(project.status_at)}): {project.status}")
    if report is None:
        _print("There is no report yet: the worker makes one when it has finished a cycle.")
    else:
        _print_report(report)
    console.print()
    console.print(_evidence_table(summary))
    for problem in list_problems(summary):
        _print(f"problem: {problem}")


def _print_report(report: Report) -> None:
    _print(
        f"{report.annotated} of {report.tasks} tasks are annotated: "
        f"{report.training} for training, {report.held_out} for validation"
    )
    for control in report.controls:
        console.print()
        _print_control(control, report.live)
    if report.galleries:
        console.print()
    for gallery in report.galleries:
        several = "s" if len(gallery.tasks) > 1 else ""
        _print(f"{gallery.title}: task{several} {', '.join(str(thumbnail.task) for thumbnail in gallery.tasks)}")


def _print_control(control: ControlReport, live: int) -> None:
    from backend.reports.reliability import calibration_error
    from backend.reports.summary import choose_headline

    headline = choose_headline(control, live)
    quality = str(headline) if headline is not None else "not scored"
    several = "" if control.held_out == 1 else "s"
    heading = Text.assemble((control.name, "bold"), f": {quality}, {control.held_out} held-out image{several}")
    console.print(heading, highlight=False)
    if control.problem:
        _print(control.problem)
    _print_curve(control)
    if (error := calibration_error(control.reliability)) is not None:
        _print(f"calibration error: {error:.3f}")
    if control.versions:
        _print_scores(control, live, headline)
    if control.per_class:
        console.print(_class_table(control))
    if confusions := _largest_confusions(control):
        _print(f"largest confusions: {'; '.join(confusions)}")


def _print_curve(control: ControlReport) -> None:
    curve = control.curve
    if curve is None:
        return
    forecast, labels_saved = curve.forecast, curve.saved
    if forecast is not None and forecast.sentence:
        _print(forecast.sentence)
        if forecast.advice:
            _print(forecast.advice)
    if labels_saved is not None:
        has_interval = labels_saved.low is not None and labels_saved.high is not None
        interval = f" ({labels_saved.low:.0%} to {labels_saved.high:.0%})" if has_interval else ""
        _print(f"labels saved against random order: {labels_saved.value:.0%}{interval}")


def _print_scores(control: ControlReport, live: int, headline: Headline | None) -> None:
    """Print two scores of each version, that of the heading first, and the other scores of the live version."""
    from backend.reports.metric_names import METRIC_NAMES, format_estimate
    from backend.reports.summary import live_scores

    metrics = [name for name in METRIC_NAMES if any(name in version.metrics for version in control.versions)]
    metrics.sort(key=lambda metric: headline is None or metric != headline.metric)
    console.print(_version_table(control, metrics[:IN_TABLE]))
    version = live_scores(control, live)
    others = [] if version is None else [metric for metric in metrics[IN_TABLE:] if metric in version.metrics]
    if version is not None and others:
        scores = (f"{METRIC_NAMES[metric]} {format_estimate(version.metrics[metric], metric)}" for metric in others)
        _print(f"other scores of {version.name}: {', '.join(scores)}")


def _version_table(control: ControlReport, metrics: Sequence[Metric]) -> Table:
    from backend.reports.metric_names import METRIC_NAMES, format_estimate

    names = [METRIC_NAMES[metric] for metric in metrics]
    table = Table(Column("version", no_wrap=True), "labels", *names, "agreement", "accepted", "s/task", box=None)
    for version in control.versions:
        table.add_row(
            version.name,
            str(version.labels),
            *("" if metric not in version.metrics else format_estimate(version.metrics[metric], metric) for metric in metrics),
            "" if version.change is None else f"{version.change.value:.2f}",
            "" if version.accepted is None else f"{version.accepted:.0%}",
            "" if version.median_seconds is None else f"{version.median_seconds:.0f}",
        )
    return table


def _class_table(control: ControlReport) -> Table:
    from backend.reports.metric_names import CLASS_METRIC_NAMES, format_estimate

    metrics = [name for name in CLASS_METRIC_NAMES if any(name in scores for scores in control.per_class.values())][:2]
    table = Table("label", *(CLASS_METRIC_NAMES[metric] for metric in metrics), box=None)
    for label, scores in control.per_class.items():
        table.add_row(
            Text(label), *("" if metric not in scores else format_estimate(scores[metric], metric) for metric in metrics)
        )
    return table


def _largest_confusions(control: ControlReport) -> list[str]:
    if control.confusion is None:
        return []
    labels = control.confusion.labels
    counts = [
        (count, true_label, predicted_label)
        for true_label, row in zip(labels, control.confusion.counts, strict=True)
        for predicted_label, count in zip(labels, row, strict=True)
        if count and true_label != predicted_label
    ]
    largest = sorted(counts, key=lambda confusion: -confusion[0])[:MOST_CONFUSIONS]
    return [f"{count} {true_label} predicted as {predicted_label}" for count, true_label, predicted_label in largest]


def _evidence_table(summary: Summary) -> Table:
    from backend.reports.summary import describe_verdict

    table = Table(Column("version", no_wrap=True), "verdict", "evidence", box=None)
    for version in summary.versions:
        verdict, reason = describe_verdict(summary, version)
        table.add_row(version.name, verdict, reason)
    return table


def _print(sentence: str) -> None:
    console.print(sentence, highlight=False)
