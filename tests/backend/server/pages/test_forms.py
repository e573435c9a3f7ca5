"""The forms of a project's page: a version is made live or pinned, or one sentence gives the reason why not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.services import Services
from tests.backend.server.pages.conftest import CONFIG, PROJECT, add_version


def send(client: TestClient, action: str, *, token: str | None = None, version: str = "", **headers: str) -> Any:
    """Send a form of the project's page, with the token that the page has for it."""
    if token is None:
        page = client.get(f"/projects/{PROJECT}").text
        pattern = rf'action="[./]*projects/{PROJECT}/{action}">\s*<input type="hidden" name="token" value="(\w+)"'
        found = re.search(pattern, page)
        token = found[1] if found else client.app.state.server.form_tokens.make(PROJECT, action)  # type: ignore[attr-defined]
    data = {"token": token, "version": version}
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
    known = project.registry.project(PROJECT)
    assert (known.live_version, known.pinned) == (2, True)


@pytest.mark.parametrize("action", ["rollback", "pin", "unpin"])
@pytest.mark.parametrize("token", ["", "0" * 64])
def test_without_a_valid_token_nothing_changes(project: Services, client: TestClient, action: str, token: str) -> None:
    answer = send(client, action, token=token, version="v0002")
    assert answer.status_code == 403
    assert "The form is outdated" in answer.text
    known = project.registry.project(PROJECT)
    assert (known.live_version, known.pinned) == (3, False)


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
    offered = set(re.findall(r'name="version" value="([^"]+)">\s*<button>Make live', page))
    assert offered == {names[1]}


def test_forms_need_credentials(stranger: TestClient) -> None:
    assert stranger.post(f"/projects/{PROJECT}/pin").status_code == 401


@pytest.mark.parametrize("path", ["/projects/7/delete", "/projects/99/pin", f"/projects/{2**31}/pin"])
def test_an_unknown_form_or_project_is_not_found_or_refused(client: TestClient, path: str) -> None:
    assert client.post(path, data={"token": "x"}).status_code in (403, 404)
