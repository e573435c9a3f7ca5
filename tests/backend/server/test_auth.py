"""Access: Label Studio with basic auth, its events with the secret, and all clients only if no password is set."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.server.app import create_app
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER

PASSWORD, SECRET = "pässword: with a colon", "a-secret"
EVENT = {"action": "ANNOTATION_CREATED", "project": {"id": 1, "label_config": "<View/>"}}
CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/setup", {"project": "1", "schema": "<View/>"}),
    ("POST", "/predict", {"project": "1", "label_config": "<View/>", "tasks": []}),
    ("GET", "/versions", None),
    ("POST", "/versions", {}),
    ("GET", "/metrics", None),
    ("GET", "/openapi.json", None),
    ("POST", "/webhook", EVENT),
]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


GOOD = basic("galaxyloop", PASSWORD)
WRONG: dict[str, dict[str, Any]] = {
    "none": {},
    "wrong password": basic("galaxyloop", "pässword"),
    "wrong user": basic("label-studio", PASSWORD),
    "no colon": {"Authorization": "Basic " + base64.b64encode(b"galaxyloop").decode()},
    "not base64": {"Authorization": "Basic %%%"},
    "another scheme": {"Authorization": GOOD["Authorization"].replace("Basic", "Bearer")},
    "not ASCII": {"Authorization": b"Basic \xff"},
    "empty": {"Authorization": ""},
    "wrong secret": {WEBHOOK_SECRET_HEADER: "another-secret"},
}


@pytest.fixture(scope="module")
def open_client(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TestClient]:
    def open_(**settings: Any) -> TestClient:
        folder: Path = tmp_path_factory.mktemp("access")
        return TestClient(create_app(Services(Settings(data_dir=folder, **settings))))

    return open_


@pytest.fixture(scope="module")
def client(open_client: Callable[..., TestClient]) -> TestClient:
    return open_client(basic_auth_password=PASSWORD, webhook_secret=SECRET)


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_valid_credentials_are_accepted(client: TestClient, method: str, path: str, body: dict[str, Any] | None) -> None:
    assert client.request(method, path, json=body, headers=GOOD).status_code == 200


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_other_credentials_are_rejected_with_401(
    client: TestClient, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, Any]
) -> None:
    answer = client.request(method, path, json=body, headers=headers)
    assert answer.status_code == 401
    assert isinstance(answer.json()["detail"], str)


def test_the_body_of_an_unauthorized_request_is_not_parsed(client: TestClient) -> None:
    assert client.post("/predict", content=b"not json").status_code == 401


def test_health_needs_no_credentials(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "UP"


@pytest.mark.parametrize("path", ["/docs/oauth2-redirect", "/redoc"])
def test_there_are_no_pages_that_load_scripts_of_other_hosts(client: TestClient, path: str) -> None:
    assert client.get(path, headers=GOOD).status_code == 404


@pytest.mark.parametrize(
    ("settings", "caller", "sender"),
    [
        ({"basic_auth_password": PASSWORD, "webhook_secret": SECRET}, ["basic"], ["basic", "webhookSecret"]),
        ({"basic_auth_password": PASSWORD}, ["basic"], ["basic"]),
        ({"webhook_secret": SECRET}, ["", "basic"], ["webhookSecret"]),
        ({}, ["", "basic"], ["", "basic", "webhookSecret"]),
    ],
)
def test_openapi_names_the_credentials_of_each_path(
    open_client: Callable[..., TestClient], settings: dict[str, str], caller: list[str], sender: list[str]
) -> None:
    client = open_client(**settings)
    description = client.get("/openapi.json", headers=GOOD).json()
    schemes = description["components"]["securitySchemes"]
    assert (schemes["basic"]["type"], schemes["basic"]["scheme"]) == ("http", "basic")
    assert schemes["webhookSecret"]["name"] == WEBHOOK_SECRET_HEADER
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            names = ["".join(alternative) for alternative in operation["security"]]
            assert names == {"/health": [], "/webhook": sender}.get(path, caller)
            is_open = client.request(method, path, json={}).status_code != 401
            assert is_open == (not names or "" in names)


def test_an_event_with_the_webhook_secret_is_accepted(client: TestClient) -> None:
    assert client.post("/webhook", json=EVENT, headers={WEBHOOK_SECRET_HEADER: SECRET}).status_code == 200


def test_the_webhook_secret_is_accepted_only_by_the_webhook(client: TestClient) -> None:
    assert client.get("/versions", headers={WEBHOOK_SECRET_HEADER: SECRET}).status_code == 401


def test_start_training_is_accepted_with_basic_auth(client: TestClient) -> None:
    assert client.post("/webhook", json=EVENT | {"action": "START_TRAINING"}, headers=GOOD).status_code == 200


def test_without_a_password_no_credentials_are_needed(open_client: Callable[..., TestClient]) -> None:
    client = open_client()
    assert {client.request(method, path, json=body).status_code for method, path, body in CALLS} == {200}


def test_with_only_a_secret_only_events_are_checked(open_client: Callable[..., TestClient]) -> None:
    client = open_client(webhook_secret=SECRET)
    assert client.get("/versions").status_code == 200
    assert client.post("/webhook", json=EVENT).status_code == 401
    assert client.post("/webhook", json=EVENT, headers={WEBHOOK_SECRET_HEADER: SECRET}).status_code == 200


def test_with_only_a_password_events_need_the_password(open_client: Callable[..., TestClient]) -> None:
    client = open_client(basic_auth_password=PASSWORD)
    assert client.post("/webhook", json=EVENT, headers={WEBHOOK_SECRET_HEADER: ""}).status_code == 401
    assert client.post("/webhook", json=EVENT, headers=GOOD).status_code == 200
