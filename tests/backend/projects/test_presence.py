"""A project that is deleted, detached, unreadable or replaced by another one of its number: what stops and what is kept."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from backend.loop.session import ProjectSession
from backend.loop.worker import handle_events, reconcile
from backend.projects.presence import DETACHED, GONE, check_presence, record_detached
from backend.services import Services
from sync.label_studio.client import LabelStudioError

HERE, ELSEWHERE = "2026-01-01T00:00:00Z", "2026-09-09T00:00:00Z"
CREATED, AGAIN = "2026-02-02T00:00:00Z", "2026-03-03T00:00:00Z"
PROJECT, ORGANIZATIONS = "/api/projects/7/", "/api/organizations/"


class Studio:
    """The file server with Label Studio's answers."""

    def __init__(self, files: Any) -> None:
        self.files = files
        files.files.clear()
        self.has_organization(HERE)

    def has_project(self, created_at: str = CREATED) -> None:
        project = {"id": 7, "title": "Rings", "label_config": "<View/>", "model_version": "", "sampling": "", "organization": 1}
        self._put(PROJECT, project | {"task_number": 0, "created_at": created_at, "num_tasks_with_annotations": 0})

    def has_organization(self, created_at: str) -> None:
        self._put(ORGANIZATIONS, [{"id": 1, "created_at": created_at}])

    def has_backend(self, *urls: str) -> None:
        self._put("/api/ml?project=7", [{"id": 1, "url": url} for url in urls])
        self._put("/api/webhooks/?project=7", [])

    def forgets(self, path: str = PROJECT) -> None:
        self.files.files.pop(path)

    def _put(self, path: str, answer: Any) -> None:
        self.files.put(path, json.dumps(answer).encode())


@pytest.fixture
def studio(files: Any) -> Studio:
    return Studio(files)


@pytest.fixture
def attached_studio(services: Services, studio: Studio) -> Studio:
    """Return project 7 in the state of the worker's last cycle."""
    services.registry.register_project(7, label_config="<View/>", extra_params=None)
    studio.has_project()
    assert check_presence(services, 7) == ""
    return studio


def away_mark(services: Services) -> str:
    return services.registry.project(7).away


def test_a_deleted_project_is_gone_until_label_studio_returns_it_again(services: Services, attached_studio: Studio) -> None:
    attached_studio.forgets()
    assert check_presence(services, 7) == "deleted in Label Studio; its versions are kept until: galaxyloop project forget 7"
    assert away_mark(services) == GONE
    assert services.registry.versions(7)
    attached_studio.has_project()
    assert (check_presence(services, 7), away_mark(services)) == ("", "")


def test_a_deleted_project_is_logged_once(
    services: Services, attached_studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    attached_studio.forgets()
    with caplog.at_level(logging.INFO, logger="galaxyloop"):
        for _ in range(3):
            services.pending_events.mark_now(7)
            handle_events(services, ProjectSession(services.label_studio, 7))
    assert [record.getMessage() for record in caplog.records] == ["event=project_gone project=7"]
    assert services.registry.project(7).status.startswith("deleted in Label Studio")
    assert services.pending_events.pending() == {}


def test_an_answer_of_another_label_studio_changes_no_project(services: Services, attached_studio: Studio) -> None:
    attached_studio.forgets()
    attached_studio.has_organization(ELSEWHERE)
    assert "is another Label Studio than the one that project 7 was attached in" in check_presence(services, 7)
    assert away_mark(services) == ""


def test_another_project_with_the_same_number_gets_no_cycle(services: Services, attached_studio: Studio) -> None:
    attached_studio.has_project(created_at=AGAIN)
    assert "is not the one that was attached here" in check_presence(services, 7)
    assert "galaxyloop project forget 7" in check_presence(services, 7)
    assert away_mark(services) == ""


def test_a_key_without_rights_does_not_mark_a_project_as_gone(services: Services, attached_studio: Studio) -> None:
    attached_studio.forgets()
    attached_studio.forgets(ORGANIZATIONS)
    with pytest.raises(LabelStudioError):
        check_presence(services, 7)
    assert away_mark(services) == ""


def test_a_project_without_an_origin_can_be_marked_as_gone(services: Services, studio: Studio) -> None:
    services.registry.register_project(7, label_config="<View/>", extra_params=None)
    assert services.registry.project(7).origin == ""
    assert check_presence(services, 7).startswith("deleted in Label Studio")


def test_a_detached_project_gets_no_cycle_until_it_is_attached(services: Services, attached_studio: Studio) -> None:
    assert record_detached(services, 7) == "detached; its versions are kept, and it continues after galaxyloop project attach 7"
    attached_studio.has_backend("http://elsewhere:9090")
    assert check_presence(services, 7).startswith("detached")
    assert away_mark(services) == DETACHED
    attached_studio.has_backend(services.settings.public_url)
    assert (check_presence(services, 7), away_mark(services)) == ("", "")


def test_a_detached_project_is_logged_once(
    services: Services, attached_studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        services.pending_events.mark_now(7)
        handle_events(services, ProjectSession(services.label_studio, 7))  # the file server has no tasks
    assert [record.levelname for record in caplog.records if "label_studio_refused" in record.getMessage()] == ["ERROR"]


def test_a_project_known_only_from_an_event_is_deleted(services: Services, studio: Studio) -> None:
    services.registry.register_project(7, label_config="<View/>", extra_params=None)
    assert check_presence(services, 7).startswith("deleted in Label Studio")
    reconcile(services)
    assert services.registry.projects() == []


@pytest.mark.parametrize("trained", [True, False])
def test_an_attached_or_trained_project_is_not_deleted(services: Services, attached_studio: Studio, trained: bool) -> None:
    if trained:
        services.registry.set_origin(7, "")
        with services.registry.create_version(7, label_config="<View/>", fingerprint="f", learned_from=9) as (folder, _):
            (folder / "heads.json").write_text("{}")
    attached_studio.forgets()
    assert check_presence(services, 7).startswith("deleted in Label Studio")
    reconcile(services)
    assert [project.id for project in services.registry.projects()] == [7]
