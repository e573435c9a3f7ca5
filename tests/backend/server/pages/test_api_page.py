"""The page `/docs` describes each path of the API, behind the same credentials, and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.testclient import TestClient

from backend.server.app import create_app
from backend.services import Services
from tests.backend.server.pages.conftest import PASSWORD


def test_each_path_has_its_fields_and_statuses(services: Services) -> None:
    client = TestClient(create_app(services))
    answer = client.get("/docs")
    assert answer.status_code == 200
    for path in client.get("/openapi.json").json()["paths"]:
        assert f" {path}</code></h2>" in answer.text
    assert "<code>label_config</code>" in answer.text
    assert "The body is larger than the settings allow, or has too many lists and objects." in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "<script" not in answer.text


def test_the_page_needs_the_password(open_services: Callable[..., Services]) -> None:
    client = TestClient(create_app(open_services(basic_auth_password=PASSWORD)))
    assert client.get("/docs").status_code == 401
    assert client.get("/docs", auth=("galaxyloop", PASSWORD)).status_code == 200
