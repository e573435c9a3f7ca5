"""The report of a project with classes or numbers: scores, curves, galleries, map, problems, and when it is made."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from backend.jobs.lease import LeaseLostError
from backend.reports.report import Report
from backend.reports.store import ReportStore
from tests.backend.loop.report.conftest import CLASSES, NUMBER, TASKS, ReportedProject

pytestmark = pytest.mark.slow

Make = Callable[[str], ReportedProject]


@pytest.fixture(scope="module")
def report(predicting: Any, references: dict[int, str]) -> Report:
    """Return the report of a project with two trained versions; 60 of its tasks are annotated, six of them wrongly."""
    project = ReportedProject(predicting, references, CLASSES)
    project.train(project.annotate(range(1, 31)))
    snapshot = project.annotate(range(1, 61), wrong_tasks=range(3, 60, 10))
    project.train(snapshot)
    return project.report(snapshot)


def test_all_versions_are_scored_on_the_same_held_out_images(report: Report) -> None:
    (control,) = report.controls
    assert [version.number for version in control.versions] == [1, 2, 3]
    assert report.live == 3
    assert report.annotated == report.training + report.held_out == 60
    assert control.held_out == report.held_out >= 20
    assert [set(version.metrics) for version in control.versions] == [
        set(),
        {"accuracy", "macro_auc"},
        {"accuracy", "macro_auc"},
    ]
    live = control.versions[-1].metrics
    assert live["accuracy"].value == pytest.approx(0.9, abs=0.08)
    assert live["accuracy"].low is not None
    assert live["accuracy"].low < live["accuracy"].value
    assert set(control.per_class) == {"Calm", "Wild"}


def test_the_figures_of_a_control_agree_with_each_other(report: Report) -> None:
    (control,) = report.controls
    assert control.confusion is not None
    counts = control.confusion.counts
    assert sum(map(sum, counts)) == control.held_out == sum(part.count for part in control.reliability)
    right = (counts[0][0] + counts[1][1]) / control.held_out
    assert right == pytest.approx(control.versions[-1].metrics["accuracy"].value)
    assert control.per_class["Calm"]["accuracy"].value == pytest.approx(counts[0][0] / sum(counts[0]))
    assert control.versions[-1].change is not None
    assert control.versions[-1].change.value > 0.8


def test_the_curve_ends_with_all_training_labels(report: Report) -> None:
    curve = report.controls[0].curve
    assert curve is not None
    assert curve.metric == "macro_auc"
    assert curve.points[0].labels == 10
    assert curve.points[-1].labels == report.training
    assert curve.random
    assert max(point.labels for point in curve.random) <= report.held_out // 2
    assert curve.saved is not None
    assert curve.forecast is not None
    assert curve.forecast.hours == pytest.approx(100 * 30 / 3600)
    assert curve.forecast.sentence


def test_galleries_show_open_and_contradicted_tasks(report: Report) -> None:
    galleries = {gallery.kind: gallery for gallery in report.galleries}
    assert set(galleries) == {"uncertain", "disagreement", "confusion"}
    assert len(galleries["uncertain"].tasks) == 12
    assert all(thumbnail.task > 60 for thumbnail in galleries["uncertain"].tasks)
    assert "Calm" in galleries["uncertain"].tasks[0].caption
    assert {thumbnail.task for thumbnail in galleries["disagreement"].tasks} <= set(range(3, 60, 10))
    with Image.open(io.BytesIO(base64.b64decode(galleries["uncertain"].tasks[0].jpeg))) as image:
        assert (image.format, max(image.size)) == ("JPEG", 96)


def test_the_map_separates_the_classes(report: Report) -> None:
    assert report.map is not None
    assert report.map.labels == ["Calm", "Wild"]
    assert {point.task for point in report.map.points} == set(TASKS)
    assert sum(point.label == -1 for point in report.map.points) == 20
    assert all(abs(point.x) <= 1 and abs(point.y) <= 1 for point in report.map.points)


def test_a_project_that_has_not_changed_is_not_reported_again(make_project: Make) -> None:
    project = make_project(CLASSES)
    snapshot = project.annotate(range(1, 21))
    assert [project.update(snapshot), project.update(snapshot)] == [True, False]
    assert project.update(project.annotate(range(1, 22)))
    project.train(snapshot)
    assert project.update(project.annotate(range(1, 22)))


def test_the_report_of_a_project_without_labels_states_it(make_project: Make) -> None:
    project = make_project(CLASSES)
    report = project.report(project.annotate([]))
    assert report.problems == [
        "No task has been annotated yet: the first version is trained after the first batch of annotations."
    ]
    assert report.controls[0].problem == "No held-out image has been annotated yet, so no version can be scored."
    assert report.map is not None
    assert len(report.map.points) == 80


def test_labels_of_one_class_are_named(make_project: Make) -> None:
    project = make_project(CLASSES)
    report = project.report(project.annotate(range(1, 31), label="Calm"))
    assert "All 30 annotations of 'mood' are 'Calm': a version is trained once there are others." in report.problems


def test_a_finished_project_is_named(make_project: Make) -> None:
    project = make_project(CLASSES)
    assert any(problem.startswith("All 80 tasks are annotated") for problem in project.report(project.annotate(TASKS)).problems)


def test_numbers_have_errors_and_a_curve(make_project: Make) -> None:
    project = make_project(NUMBER)
    snapshot = project.annotate(range(1, 61))
    project.train(snapshot)
    report = project.report(snapshot)
    (control,) = report.controls
    assert control.kind == "number"
    assert set(control.versions[-1].metrics) == {"r2", "rmse", "sigma_nmad", "bias", "outliers", "coverage"}
    assert control.versions[-1].metrics["rmse"].value < 20
    assert control.curve is not None
    assert control.curve.metric == "r2"
    assert control.versions[-1].change is None
    assert [gallery.kind for gallery in report.galleries] == ["disagreement"]


def test_an_event_stops_the_report_and_the_next_cycle_makes_it(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(CLASSES)
    before = project.report(project.annotate(range(1, 20)))
    snapshot = project.annotate(range(1, 21))
    events = project.services.pending_events
    marks = iter([{}, {project.id: "an event"}, {}])
    with monkeypatch.context() as patch:
        patch.setattr(events, "pending", lambda: next(marks))
        assert not project.update(snapshot)
    assert ReportStore(project.services.engine).read(project.id) == before
    assert project.update(snapshot)


def test_a_lost_lease_ends_the_report(make_project: Make) -> None:
    project = make_project(CLASSES)
    project.lease.set()
    with pytest.raises(LeaseLostError):
        project.update(project.annotate(range(1, 21)))


def test_a_failure_is_named_in_the_report_and_keeps_the_old_figures(
    make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(CLASSES)
    before = project.report(project.annotate(range(1, 21)))
    monkeypatch.setattr(project.services.predictors, "open", lambda _: 1 / 0)
    monkeypatch.setattr("backend.loop.report.make.find_problems", lambda _: 1 / 0)
    after = project.report(project.annotate(range(1, 22)))
    assert after.problems == [
        "The newest figures could not be computed (ZeroDivisionError); the log of the worker has the reason."
    ]
    assert after.controls == before.controls


def test_an_unreadable_image_has_an_empty_thumbnail(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(CLASSES)
    snapshot = project.annotate(range(1, 31))
    project.train(snapshot)
    monkeypatch.setattr("backend.loop.report.thumbnails._encode", lambda _: 1 / 0)
    (uncertain, *_) = project.report(snapshot).galleries
    assert {thumbnail.jpeg for thumbnail in uncertain.tasks} == {""}
