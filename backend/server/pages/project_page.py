"""All that the page of a project shows, from its summary: computed here, and laid out by `templates/project.html`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from backend.registry.records import DAMAGED, TRAINED, Version
from backend.reports.estimate import Estimate, Metric
from backend.reports.metric_names import AGREEMENT_NAMES, CLASS_METRIC_NAMES, METRIC_NAMES
from backend.reports.report import ControlReport, Report, VersionReport
from backend.reports.summary import (
    Headline,
    Summary,
    choose_headline,
    describe_verdict,
    fits_config,
    list_problems,
    live_scores,
)
from backend.server.pages.charts import Chart
from backend.server.pages.confusion import ConfusionTable, tabulate_confusions
from backend.server.pages.control_charts import (
    draw_acceptance,
    draw_change,
    draw_learning_curve,
    draw_reliability,
    draw_seconds,
)
from backend.server.pages.embedding_map import MapDrawing, draw_map

__all__ = ["ControlView", "ProjectPage", "VersionView", "make_project_page", "remove_folders"]

FOLDERS = re.compile(r"(?<![\w/:.])/(?:[^\s/]+/)+(?=[^\s/])")


@dataclass(frozen=True, slots=True)
class ControlView:
    """One control.

    Attributes
    ----------
    id : str
        Identifier of its section.
    headline : Headline or None
        The score that stands for its quality.
    metrics : sequence of (Metric, name)
        Scores that any version has.
    class_metrics : sequence of (Metric, name)
        Scores that any class has.
    """

    id: str
    report: ControlReport
    live: VersionReport | None
    headline: Headline | None
    metrics: Sequence[tuple[Metric, str]]
    class_metrics: Sequence[tuple[Metric, str]]
    charts: Sequence[Chart]
    effort: Sequence[Chart]
    reliability: Chart | None
    confusion: ConfusionTable | None

    @property
    def agreement(self) -> str:
        """Name of the agreement of two versions' predictions."""
        return AGREEMENT_NAMES[self.report.kind]


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version; `verdict` and `reason` are for people, and `can_go_live` tells whether a user may make it live."""

    version: Version
    is_live: bool
    verdict: str
    reason: str
    can_go_live: bool


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """The page of one project; `versions` are newest first."""

    summary: Summary
    report: Report | None
    controls: Sequence[ControlView]
    versions: Sequence[VersionView]
    map: MapDrawing | None
    problems: Sequence[str]


def make_project_page(summary: Summary) -> ProjectPage:
    """Compute the page of a project."""
    report = summary.report
    controls = report.controls if report is not None else []
    live = report.live if report is not None else 0
    count_used = report.training + report.held_out if report is not None else 0
    share = report.training / count_used if report is not None and count_used else 1.0
    return ProjectPage(
        summary,
        report,
        [_make_control(control, f"control-{number}", live, share) for number, control in enumerate(controls, start=1)],
        [_make_version(summary, version) for version in reversed(summary.versions)],
        draw_map(report.map) if report is not None and report.map is not None and report.map.points else None,
        [remove_folders(problem) for problem in list_problems(summary)],
    )


def remove_folders(sentence: str) -> str:
    """Remove the folders of file names from a sentence: the layout of the server's disk is not for the page's readers."""
    return FOLDERS.sub("", sentence)


def _make_control(control: ControlReport, id_: str, live: int, trained_share: float) -> ControlView:
    charts = (draw_learning_curve(control, f"{id_}-curve", trained_share=trained_share), draw_change(control, f"{id_}-change"))
    effort = (draw_acceptance(control, f"{id_}-accepted"), draw_seconds(control, f"{id_}-seconds"))
    return ControlView(
        id_,
        control,
        live_scores(control, live),
        choose_headline(control, live),
        _select_metrics((version.metrics for version in control.versions), METRIC_NAMES),
        _select_metrics(control.per_class.values(), CLASS_METRIC_NAMES),
        [chart for chart in charts if chart is not None],
        [chart for chart in effort if chart is not None],
        draw_reliability(control, f"{id_}-reliability"),
        tabulate_confusions(control.confusion) if control.confusion is not None and control.confusion.labels else None,
    )


def _select_metrics(scores: Iterable[Mapping[Metric, Estimate]], names: Mapping[Metric, str]) -> list[tuple[Metric, str]]:
    metrics = {metric for row in scores for metric in row}
    return [(metric, name) for metric, name in names.items() if metric in metrics]


def _make_version(summary: Summary, version: Version) -> VersionView:
    is_live = version.number == summary.project.live_version
    verdict, reason = describe_verdict(summary, version)
    can_go_live = not is_live and fits_config(summary, version) and version.verdict not in (DAMAGED, TRAINED)
    return VersionView(version, is_live, verdict, remove_folders(reason), can_go_live)
