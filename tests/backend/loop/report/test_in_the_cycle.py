"""A cycle of the loop trains, publishes, and makes the report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.jobs.lease import hold_lease
from backend.loop.cycle import run_cycle
from backend.loop.session import ProjectSession
from backend.reports.report import Report
from backend.reports.store import ReportStore
from backend.services import Services
from sync.controls import choices
from sync.labelling.config import parse
from tests.backend.loop.conftest import CHOICES
from tests.small_label_studio import PROJECT, SmallLabelStudio

pytestmark = pytest.mark.slow


def test_a_cycle_makes_the_report_once(
    attached_services: Services, label_studio: SmallLabelStudio, png: Callable[..., bytes]
) -> None:
    (control,) = parse(CHOICES).controls
    for task in range(1, 21):
        label_studio.add_task(task)
        spots = ((100, 50, 18 + task % 3),) if task % 2 else ((100, 50, 4), (40, 30, 3), (160, 70, 3))
        label_studio.files[f"/data/upload/{PROJECT}/{task}.png"] = png(spots=spots, seed=task)
        if task <= 16:
            label = "Elliptical" if task % 2 else "Spiral"
            label_studio.annotate(task, [choices.encode([label], control=control)], lead_time=36.0)
    session = ProjectSession(attached_services.label_studio, PROJECT)
    store = ReportStore(attached_services.engine)
    reports: list[Report] = []
    for _ in range(2):
        with hold_lease(attached_services.engine, PROJECT, seconds=30) as lease:
            assert lease is not None
            session.resume(lease)
            run_cycle(attached_services, session, lease)
        first_report = store.read(PROJECT)
        assert first_report is not None
        reports.append(first_report)
    assert reports[0] == reports[1]
    report = reports[0]
    assert report.live == attached_services.registry.project(PROJECT).live_version
    assert (report.tasks, report.annotated) == (20, 16)
    (figures,) = report.controls
    assert figures.held_out == report.held_out > 0
    assert figures.versions[0].metrics["accuracy"].value >= 0  # the shipped head predicts these classes
    assert {gallery.kind for gallery in report.galleries} >= {"uncertain"}
    assert figures.curve is not None
    assert figures.curve.forecast is not None
    assert figures.curve.forecast.hours == pytest.approx(1.0)
