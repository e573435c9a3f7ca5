"""Events of more than some megabytes are parsed outside of the server's process, which answers other requests meanwhile."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.registry.records import MAX_ID
from backend.server import large_events
from backend.server.app import create_app
from backend.services import Services
from sync.labelling.config import MAX_CHARACTERS

CONFIG = '<View><Image name="image" value="$image"/><Choices name="c" toName="image"><Choice value="Spiral"/></Choices></View>'
JSON = {"Content-Type": "application/json"}
FILLING = "[" + ",".join(["[12.5,7.25]"] * 400_000) + "]"
"""4.6 MB of the corners of a polygon."""


@pytest.fixture
def client(predicting: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Return a client of a server that fails if it parses an event itself."""

    def refuse(*_: object) -> None:
        pytest.fail("the server's own process parses the event")

    monkeypatch.setattr(large_events, "parse_body", refuse)
    with TestClient(create_app(predicting), raise_server_exceptions=False) as client:
        yield client


def event(**project: Any) -> bytes:
    fields = json.dumps(project)
    content = f'{{"action":"ANNOTATION_CREATED","annotation":{{"result":{FILLING}}},"project":{fields}}}'.encode()
    assert len(content) > large_events.IN_PROCESS_BYTES
    return content


def test_a_large_event_marks_its_project(client: TestClient, predicting: Services) -> None:
    answer = client.post("/webhook", content=event(id=3801, label_config=CONFIG), headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    assert 3801 in predicting.pending_events.pending()
    assert predicting.registry.project(3801).label_config == CONFIG
    assert client.app.state.arriving_bodies.held_bytes == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (event(id=0), "project.id: Input should be greater than 0"),
        (event(id=MAX_ID + 1), "project.id: Input should be less than or equal to"),
        (event(), "project.id: Field required"),
        (event(id=1, label_config="x" * (MAX_CHARACTERS + 1)), "project.label_config: String should have at most"),
        (event(id=1)[:-1], "body: Invalid JSON: EOF while parsing"),
        (event(id=1).replace(b"12.5", b"12,5", 1) + b"]", "body: Invalid JSON"),
        (b"[" * (large_events.IN_PROCESS_BYTES + 1), "body: Invalid JSON: recursion limit exceeded"),
    ],
)
def test_a_large_event_is_validated_as_a_small_one(client: TestClient, content: bytes, sentence: str) -> None:
    answer = client.post("/webhook", content=content, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(sentence)


def test_a_process_that_fails_is_answered_with_503(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", 60)

    monkeypatch.setattr(subprocess, "run", fail)
    answer = client.post("/webhook", content=event(id=3802), headers=JSON)
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "the event is large and could not be read now: repeat this request later",
    )
    assert client.app.state.arriving_bodies.held_bytes == 0  # type: ignore[attr-defined]


def test_events_that_wait_count_among_the_arriving_bodies(client: TestClient) -> None:
    content = event(id=3803)
    bodies = client.app.state.arriving_bodies  # type: ignore[attr-defined]
    with bodies.hold(bodies.most_bytes - len(content) + 1):
        answer = client.post("/webhook", content=content, headers=JSON)
    assert answer.status_code == 503
    assert "too many large bodies" in answer.json()["detail"]
