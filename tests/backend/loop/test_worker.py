"""The worker handles the pending events of a project, however its cycle ends."""

from __future__ import annotations

import logging

import pytest

from backend.jobs.lease import hold_lease, holder
from backend.loop.session import ProjectSession
from backend.loop.worker import handle_events, is_due
from backend.registry.worker_figures import WorkerFiguresStore
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from tests.small_label_studio import KEY, PROJECT, SmallLabelStudio

ADDRESS = f"GET /api/projects/{PROJECT}/"


@pytest.fixture
def marked_project(attached_services: Services, label_studio: SmallLabelStudio) -> Services:
    """Mark project 7 as having pending events."""
    attached_services.label_studio = LabelStudioClient(label_studio.url, KEY, patience_s=0.1)
    attached_services.pending_events.mark_now(PROJECT)
    return attached_services


def handle(services: Services) -> str:
    """Handle the events; return the project's status."""
    handle_events(services, ProjectSession(services.label_studio, PROJECT))
    return services.registry.project(PROJECT).status


def test_a_cycle_acknowledges_the_events(marked_project: Services) -> None:
    assert handle(marked_project).startswith("0 of 2 changed annotations gathered")
    assert marked_project.pending_events.pending() == {}
    assert holder(marked_project.engine, PROJECT) is None
    (figures,) = WorkerFiguresStore(marked_project.engine).read()
    assert (figures.cycles, figures.failed_cycles) == (1, 0)


def test_without_events_nothing_is_read(attached_services: Services, label_studio: SmallLabelStudio) -> None:
    handle(attached_services)
    assert label_studio.requests == []


def test_events_wait_for_the_debounce(attached_services: Services, label_studio: SmallLabelStudio) -> None:
    attached_services.settings.webhook_debounce_s = 60.0
    attached_services.pending_events.mark([PROJECT])
    handle(attached_services)
    assert label_studio.requests == []
    assert attached_services.queue.list_queued() == {PROJECT}


def test_a_project_of_another_worker_is_tried_later(marked_project: Services, label_studio: SmallLabelStudio) -> None:
    with hold_lease(marked_project.engine, PROJECT, seconds=30):
        handle(marked_project)
    assert label_studio.requests == []
    assert marked_project.queue.list_queued() == {PROJECT}


def test_while_label_studio_is_down_the_events_stay_pending(marked_project: Services, label_studio: SmallLabelStudio) -> None:
    label_studio.refusals[ADDRESS] = (502, "Bad gateway")
    assert handle(marked_project).startswith("waiting for Label Studio: ")
    assert PROJECT in marked_project.pending_events.pending()
    assert marked_project.queue.list_queued() == {PROJECT}


def test_a_refusal_is_logged_once(
    marked_project: Services, label_studio: SmallLabelStudio, caplog: pytest.LogCaptureFixture
) -> None:
    label_studio.refusals["GET /api/tasks/"] = (403, {"detail": "forbidden"})
    for _ in range(2):
        marked_project.pending_events.mark_now(PROJECT)
        assert handle(marked_project).startswith("stopped: Label Studio rejected GET /api/tasks/: forbidden")
    refusals = [record for record in caplog.records if "event=label_studio_refused" in record.getMessage()]
    assert len(refusals) == 1
    (figures,) = WorkerFiguresStore(marked_project.engine).read()
    assert (figures.cycles, figures.failed_cycles) == (2, 2)


def test_a_detached_project_is_marked(marked_project: Services, label_studio: SmallLabelStudio) -> None:
    label_studio.backends.clear()
    label_studio.project["model_version"] = "another"
    assert handle(marked_project).startswith("detached; its versions are kept")
    assert marked_project.registry.project(PROJECT).away == "detached"


def test_an_unexpected_error_does_not_end_the_worker(
    marked_project: Services, label_studio: SmallLabelStudio, caplog: pytest.LogCaptureFixture
) -> None:
    label_studio.refusals["GET /api/tasks/"] = (200, {"no": "tasks"})
    with caplog.at_level(logging.ERROR):
        assert handle(marked_project) == "the last cycle failed; the worker's log has the error"
    assert f"event=cycle_failed project={PROJECT}" in caplog.text
    assert marked_project.pending_events.pending() == {}


@pytest.mark.parametrize(
    ("elapsed_s", "every_s", "due"),
    [
        pytest.param(60.0, 30.0, True, id="less than a minute is a minute"),
        pytest.param(60.0, 120.0, False, id="at the first check"),
        pytest.param(119.9, 120.0, True, id="a check that comes a little early"),
        pytest.param(120.0, 600.0, False, id="long interval"),
        pytest.param(600.2, 600.0, True, id="end of a long interval"),
    ],
)
def test_reconciliation_is_due_at_the_nearest_check(elapsed_s: float, every_s: float, due: bool) -> None:
    assert is_due(elapsed_s, every_s=every_s) is due
