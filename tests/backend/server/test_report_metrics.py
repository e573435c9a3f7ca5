"""Metrics of reports, and the Grafana dashboard, which queries only metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from backend.reports.curve import Curve, Forecast
from backend.reports.estimate import Estimate
from backend.reports.report import ControlReport, Report, VersionReport
from backend.reports.store import ReportStore
from backend.server.coverage import Coverage
from backend.server.metrics import Metrics
from backend.services import Services

DASHBOARD = Path(__file__).parents[3] / "deploy" / "grafana-dashboard.json"
PROJECT = 7


def report() -> Report:
    versions = [
        VersionReport(number=1, name="v0001", created_at=0, labels=10, accepted=0.6, median_seconds=12.0),
        VersionReport(
            number=2,
            name="v0002",
            created_at=1,
            labels=40,
            metrics={"macro_auc": Estimate(value=0.9, low=0.85, high=0.94), "accuracy": Estimate(value=0.8)},
            change=Estimate(value=0.7),
        ),
    ]
    forecast = Forecast(labels=100, gain=Estimate(value=0.01, low=0.002, high=0.02))
    control = ControlReport(name="mood", kind="classes", versions=versions, curve=Curve(metric="macro_auc", forecast=forecast))
    return Report(project=PROJECT, made_at=5, live=2, tasks=100, annotated=50, controls=[control])


@pytest.fixture
def metrics(services: Services) -> Metrics:
    services.registry.register_project(PROJECT, label_config="<View/>", extra_params=None)
    return Metrics(services.registry, services.pending_events, Coverage(services.settings))


def read_metrics(metrics: Metrics) -> dict[str, float]:
    lines = (line for line in generate_latest(metrics.collectors).decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_the_figures_of_a_report_are_exposed(metrics: Metrics, services: Services) -> None:
    ReportStore(services.engine).write(report())
    values = read_metrics(metrics)
    control = 'control="mood",project="7"'
    assert values['galaxyloop_labels{project="7"}'] == 50
    assert values['galaxyloop_score{control="mood",metric="macro_auc",project="7"}'] == 0.9
    assert values['galaxyloop_score_low{control="mood",metric="macro_auc",project="7"}'] == 0.85
    assert 'galaxyloop_score_low{control="mood",metric="accuracy",project="7"}' not in values
    assert values[f"galaxyloop_kappa{{{control}}}"] == 0.7
    assert values[f"galaxyloop_accepted_share{{{control}}}"] == 0.6
    assert values['galaxyloop_annotation_seconds{project="7"}'] == 12
    assert values[f"galaxyloop_forecast_gain{{{control}}}"] == 0.01
    assert values[f"galaxyloop_may_stop{{{control}}}"] == 0


def test_a_newer_report_replaces_the_old_one(metrics: Metrics, services: Services) -> None:
    store = ReportStore(services.engine)
    for made_at, count in ((5, 50), (6, 51)):
        store.write(report().model_copy(update={"made_at": made_at, "annotated": count}))
        assert read_metrics(metrics)['galaxyloop_labels{project="7"}'] == count


def test_a_project_without_a_report_has_no_figures(metrics: Metrics) -> None:
    assert not any("score" in name for name in read_metrics(metrics))


def expressions(dashboard: dict[str, Any]) -> list[str]:
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [*targets, *(item["query"]["query"] for item in dashboard["templating"]["list"] if item["type"] == "query")]


def test_the_dashboard_queries_metrics_that_exist(metrics: Metrics) -> None:
    types = re.findall(r"^# TYPE (\w+) \w+$", generate_latest(metrics.collectors).decode(), re.MULTILINE)
    samples = {*types, *(f"{name}_bucket" for name in types)}
    names = {name for each in expressions(json.loads(DASHBOARD.read_text())) for name in re.findall(r"galaxyloop_\w+", each)}
    assert names
    assert names <= samples


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        own = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & own
        cells |= own
