"""A server with one project that has versions, a password, and a browser-like client."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from backend.server.app import create_app
from backend.services import Services

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>"""
PASSWORD = "a-password"
PROJECT = 7


def add_version(services: Services, *, live: bool = True, label_config: str = CONFIG) -> int:
    """Add a version without a head to the project; return its number."""
    writing = services.registry.create_version(PROJECT, label_config=label_config, fingerprint="f", learned_from=20)
    with writing as (folder, number):
        (folder / "heads.json").write_text("{}")
    if live:
        services.registry.promote(PROJECT, number, evidence={"reason": f"better, {number}"})
    return number


@pytest.fixture
def project(open_services: Callable[..., Services]) -> Services:
    """Return services with project 7: the base version, a retired version 2 and a live version 3."""
    services = open_services(basic_auth_password=PASSWORD, label_studio_url="http://studio.example:8080")
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    add_version(services)
    add_version(services)
    return services


@pytest.fixture
def stranger(project: Services) -> TestClient:
    """Return a client without credentials."""
    return TestClient(create_app(project), base_url="http://127.0.0.1:9090", follow_redirects=False)


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    """Return a client that is signed in."""
    client = TestClient(stranger.app, base_url="http://127.0.0.1:9090", follow_redirects=False)
    client.auth = ("galaxyloop", PASSWORD)
    return client
