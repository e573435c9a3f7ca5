"""The API contract, without and with a password: each answer to any request has a documented status and content type."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr

from backend.server.app import create_app
from backend.services import Services

OPERATIONS = ["get /health", "get /metrics", "post /predict", "post /setup", "get /versions", "post /versions", "post /webhook"]
EXAMPLES = 40
USER, PASSWORD = "galaxyloop", "a-password"
HEADERS = {"Authorization": "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}


@pytest.fixture(scope="module")
def contract(predicting: Services) -> Iterator[Any]:
    app = create_app(predicting)
    with TestClient(app) as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        schema.app = app
        yield schema


@pytest.fixture(scope="module")
def protected_app(predicting: Services) -> Iterator[Any]:
    """Return the schema of a server with a password and a webhook secret."""
    secrets = {"basic_auth_password": SecretStr(PASSWORD), "webhook_secret": SecretStr("a-secret")}
    _ = predicting.predictors  # loaded once, for both servers
    services = copy(predicting)
    services.settings = predicting.settings.model_copy(update=secrets)
    app = create_app(services)
    with TestClient(app) as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json", headers=HEADERS).json())
        schema.app = app
        yield schema


@pytest.mark.slow
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_server_conforms_to_its_openapi_description(name: str, contract: Any) -> None:
    method, path = name.split()

    @given(contract[path][method].as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Any) -> None:
        case.call_and_validate()

    check()


@pytest.mark.slow
@pytest.mark.parametrize("headers", [HEADERS, {}], ids=["password", "no password"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_server_with_a_password_conforms_to_its_description(name: str, headers: dict[str, str], protected_app: Any) -> None:
    method, path = name.split()

    @given(protected_app[path][method].as_strategy())
    @settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Any) -> None:
        answer = case.call_and_validate(headers=headers)
        assert headers or path == "/health" or answer.status_code == 401

    check()


def test_openapi_describes_every_path(contract: Any) -> None:
    operations = [result.ok() for result in contract.get_all_operations()]
    assert sorted(f"{operation.method} {operation.path}" for operation in operations) == sorted(OPERATIONS)
