"""The API contract: every answer to any request has a status and a content type that OpenAPI documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings

from backend.server.app import create_app
from backend.services import Services

OPERATIONS = ["get /health", "get /metrics", "post /predict", "post /setup", "get /versions", "post /versions", "post /webhook"]
EXAMPLES = 40


@pytest.fixture(scope="module")
def contract(predicting: Services) -> Iterator[Any]:
    app = create_app(predicting)
    with TestClient(app) as client:
        schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
        schema.app = app
        yield schema


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_server_conforms_to_its_openapi_description(name: str, contract: Any) -> None:
    method, path = name.split()

    @given(contract[path][method].as_strategy())
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case: Any) -> None:
        case.call_and_validate()

    check()


def test_openapi_describes_every_path(contract: Any) -> None:
    described = [result.ok() for result in contract.get_all_operations()]
    assert sorted(f"{operation.method} {operation.path}" for operation in described) == sorted(OPERATIONS)
