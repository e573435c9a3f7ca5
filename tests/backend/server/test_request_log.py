"""Each request is logged at DEBUG, a slow one at INFO, with its status and without its query."""

from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from backend.server import request_log
from backend.server.request_log import RequestLog


@pytest.fixture
def client() -> TestClient:
    """Return a client of an application with one path that answers and one that fails."""
    app = FastAPI()
    app.add_middleware(RequestLog)

    @app.get("/good")
    def answer() -> None: ...

    @app.get("/bad")
    def fail() -> None:
        raise RuntimeError

    return TestClient(app, raise_server_exceptions=False)


def test_requests_are_logged_at_debug_without_their_query(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "galaxyloop.requests")
    client.get("/good?token=hush")
    client.get("/bad")
    good, bad = (record.getMessage() for record in caplog.records)
    assert good.startswith("event=request method=GET path='/good' status=200 seconds=0.")
    assert bad.startswith("event=request method=GET path='/bad' status=500 seconds=0.")


def test_only_slow_requests_are_logged_at_info(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "galaxyloop.requests")
    client.get("/good")
    assert not caplog.records
    monkeypatch.setattr(request_log, "SLOW_S", 0.0)
    client.get("/good")
    assert len(caplog.records) == 1
