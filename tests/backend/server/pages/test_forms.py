"""The forms of a project's page: a version is made live or pinned, or one sentence gives the reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.registry.task_queues import SimilarRequest, TaskQueues
from backend.reports.store import ReportStore
from backend.server.app import create_app
from backend.server.pages.actions import ACTIONS
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from tests.backend.server.pages.conftest import CONFIG, PASSWORD, PROJECT, add_version
from tests.example_report import make_report
from tests.small_label_studio import running


def send(
    client: TestClient, action: str, *, token: str | None = None, version: str = "", task: str = "", **headers: str
) -> Any:
    """Send a form of the project's page, with the token that the page has for it."""
    if token is None:
        page = client.get(f"/projects/{PROJECT}").text
        pattern = rf'action="[./]*projects/{PROJECT}/{action}">\s*<input type="hidden" name="token" value="(\w+)"'
        match = re.search(pattern, page)
        token = match[1] if match else client.app.state.server.form_tokens.make(PROJECT, action)  # type: ignore[attr-defined]
    data = {"token": token, "version": version, "task": task}
    return client.post(f"/projects/{PROJECT}/{action}", data=data, headers={"Origin": "http://127.0.0.1:9090"} | headers)


def live(services: Services) -> int:
    return services.registry.project(PROJECT).live_version


def test_make_live_takes_effect_at_once_and_leads_back_to_the_page(project: Services, client: TestClient) -> None:
    answer = send(client, "rollback", version="v0002")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"../{PROJECT}"
    assert client.get(f"/projects/{PROJECT}/rollback/../../{PROJECT}").status_code == 200
    assert live(project) == 2
    assert PROJECT in project.pending_events.pending()


def test_pin_and_unpin(project: Services, client: TestClient) -> None:
    assert send(client, "pin").status_code == 303
    assert project.registry.project(PROJECT).pinned
    assert "is pinned" in client.get(f"/projects/{PROJECT}").text
    assert send(client, "unpin").status_code == 303
    assert not project.registry.project(PROJECT).pinned


def test_a_rollback_moves_the_pin(project: Services, client: TestClient) -> None:
    send(client, "pin")
    send(client, "rollback", version="v0002")
    record = project.registry.project(PROJECT)
    assert (record.live_version, record.pinned) == (2, True)


@pytest.mark.parametrize("action", [*ACTIONS])
@pytest.mark.parametrize("token", ["", "0" * 64])
def test_without_a_valid_token_nothing_changes(project: Services, client: TestClient, action: str, token: str) -> None:
    answer = send(client, action, token=token, version="v0002")
    assert answer.status_code == 403
    assert "The form is outdated" in answer.text
    record = project.registry.project(PROJECT)
    assert (record.live_version, record.pinned) == (3, False)


def test_a_form_of_another_site_changes_nothing(project: Services, client: TestClient) -> None:
    answer = send(client, "rollback", version="v0002", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "another site" in answer.text
    assert live(project) == 3


def test_a_body_that_is_no_form_has_no_token(project: Services, client: TestClient) -> None:
    for body in ({"json": {"token": "x"}}, {"content": b"\xff"}, {"data": {"token": "x" * 5000}}, {}):
        assert client.post(f"/projects/{PROJECT}/pin", **body).status_code == 403


@pytest.mark.parametrize("version", ["v0009", "latest", "", "<b>"])
def test_an_unknown_version_is_one_sentence_on_the_page(project: Services, client: TestClient, version: str) -> None:
    answer = send(client, "rollback", version=version)
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert "<b>" not in answer.text
    assert live(project) == 3


def test_a_damaged_version_is_one_sentence_without_folders(project: Services, client: TestClient) -> None:
    (project.registry.path(PROJECT, 2) / "heads.json").write_text("damaged")
    answer = send(client, "rollback", version="v0002")
    assert answer.status_code == 409
    assert "is damaged and cannot go live: heads.json " in answer.text
    assert str(project.settings.data_dir) not in answer.text
    assert live(project) == 3


def test_a_version_of_another_config_is_one_sentence(project: Services, client: TestClient) -> None:
    project.registry.register_project(PROJECT, label_config=CONFIG.replace("Spiral", "Ring"), extra_params=None)
    answer = send(client, "rollback", version="v0002")
    assert answer.status_code == 409
    assert "another labelling config" in answer.text


def test_only_versions_that_may_go_live_have_a_button(project: Services, client: TestClient) -> None:
    add_version(project, live=False)
    project.registry.record_damage(PROJECT, 2, reason="/x/heads.json is not as it was written")
    page = client.get(f"/projects/{PROJECT}").text
    names = {version.number: version.name for version in project.registry.versions(PROJECT)}
    versions = set(re.findall(r'name="version" value="([^"]+)">\s*<button>Make live', page))
    assert versions == {names[1]}


def test_a_thumbnail_orders_the_queue_by_similarity(open_services: Callable[..., Services], png: Callable[..., bytes]) -> None:
    with running(CONFIG) as label_studio:
        services = open_services(basic_auth_password=PASSWORD, label_studio_url=label_studio.url)
        services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
        label_studio.add_task(1)
        path = f"/data/upload/{PROJECT}/1.png"
        label_studio.files[path] = png()
        services.predictors.extractor.extract_features([path], embed=True)
        ReportStore(services.engine).write(make_report(["v1"]))
        client = TestClient(create_app(services), base_url="http://127.0.0.1:9090", follow_redirects=False)
        client.auth = ("galaxyloop", PASSWORD)
        assert send(client, "similar", task="1").status_code == 303
        assert TaskQueues(services.engine).request(PROJECT) == SimilarRequest((1,), 100)
        assert "serves tasks like task 1 next" in client.get(f"/projects/{PROJECT}").text
        answer = send(client, "similar", task="99")
        assert answer.status_code == 409
        assert "project 7 has no task 99" in answer.text
        assert send(client, "any-order").status_code == 303
        assert TaskQueues(services.engine).request(PROJECT) is None


@pytest.mark.parametrize("task", ["", "one", "-1", "9" * 30, "²"])
def test_a_task_without_a_number_is_one_sentence(client: TestClient, task: str) -> None:
    answer = send(client, "similar", task=task)
    assert answer.status_code == 409
    assert "is not the number of a task" in answer.text


def test_without_label_studio_a_request_is_one_sentence(project: Services, client: TestClient) -> None:
    project.label_studio = LabelStudioClient("http://127.0.0.1:1", "a-legacy-token", patience_s=0.1)
    answer = send(client, "similar", task="1")
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert "a-legacy-token" not in answer.text


def test_forms_need_credentials(stranger: TestClient) -> None:
    assert stranger.post(f"/projects/{PROJECT}/pin").status_code == 401


@pytest.mark.parametrize("path", ["/projects/7/delete", "/projects/99/pin", f"/projects/{2**31}/pin"])
def test_an_unknown_form_or_project_is_not_found_or_refused(client: TestClient, path: str) -> None:
    assert client.post(path, data={"token": "x"}).status_code in (403, 404)
