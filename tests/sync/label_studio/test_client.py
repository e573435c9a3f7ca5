"""The connection to Label Studio, against a small HTTP server with programmed faults."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable

LEGACY_KEY = "0123456789abcdef"


def jwt(kind: str, *, expires_in_s: float) -> str:
    claims = {"token_type": kind, "exp": time.time() + expires_in_s}
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{middle}.c2lnbmF0dXJl"


class Script:
    """Answers in order, the last one repeated; and the recorded requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[tuple[int, Any, dict[str, str]]] = []
        self.requests: list[tuple[str, str, str]] = []
        self.token_life_s = 300.0

    def answer(self, status: int, body: Any = None, **headers: str) -> None:
        self.answers.append((status, body, headers))

    def next(self) -> tuple[int, Any, dict[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def studio() -> Iterator[Script]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            script.requests.append((self.command, self.path, self.headers["Authorization"] or ""))
            if self.path == "/api/token/refresh/":
                status, body, headers = 200, {"access": jwt("access", expires_in_s=script.token_life_s)}, dict[str, str]()
            else:
                status, body, headers = script.next()
            content = body.encode() if isinstance(body, str) else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        script = Script(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield script
        server.shutdown()


@pytest.fixture
def client(studio: Script) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(studio.url, LEGACY_KEY, patience_s=5.0) as client:
        yield client


LOCKED = {"detail": "database is locked", "exc_info": "Traceback (most recent call last): ..."}


def test_a_read_request_is_retried_while_the_database_is_locked(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(500, LOCKED)
    studio.answer(502, "<html>Bad gateway</html>")
    studio.answer(200, {"id": 1})
    assert client.get("/api/projects/1/") == {"id": 1}
    assert len(studio.requests) == 3


def test_a_change_is_not_repeated_when_it_may_have_been_made(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(500, LOCKED)
    with pytest.raises(LabelStudioUnavailable, match="failed at POST /api/x: database is locked") as error:
        client.send("POST", "/api/x", json=[1])
    assert len(studio.requests) == 1
    assert "Traceback" not in str(error.value)


def test_a_repeatable_change_is_repeated(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(500, LOCKED)
    studio.answer(204)
    assert client.send("DELETE", "/api/x", repeatable=True) is None
    assert len(studio.requests) == 2


def test_an_unreachable_server_is_unavailable_after_the_retries() -> None:
    with LabelStudioClient("http://127.0.0.1:9", LEGACY_KEY, patience_s=0.2) as client:
        with pytest.raises(LabelStudioUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
            client.get("/api/projects/")
        with pytest.raises(LabelStudioUnavailable):
            client.send("POST", "/api/projects/", json={})


def test_one_access_token_serves_many_requests(studio: Script) -> None:
    studio.answer(200, {})
    with LabelStudioClient(studio.url, jwt("refresh", expires_in_s=3600)) as client:
        for _ in range(3):
            client.get("/api/projects/")
    assert [path for _, path, _ in studio.requests].count("/api/token/refresh/") == 1
    assert all(token.startswith("Bearer eyJ") for _, path, token in studio.requests if path == "/api/projects/")


def test_a_token_that_is_about_to_expire_is_renewed(studio: Script) -> None:
    studio.answer(200, {})
    studio.token_life_s = 30.0
    with LabelStudioClient(studio.url, jwt("refresh", expires_in_s=3600)) as client:
        for _ in range(3):
            client.get("/api/projects/")
    assert [path for _, path, _ in studio.requests].count("/api/token/refresh/") == 3


def test_a_legacy_key_is_sent_as_it_is(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(200, {})
    client.get("/api/projects/")
    assert studio.requests == [("GET", "/api/projects/", f"Token {LEGACY_KEY}")]


def test_a_redirect_is_reported_and_not_followed(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(301, None, Location="https://elsewhere.example/api/projects/")
    with pytest.raises(LabelStudioError, match=r"redirects GET /api/projects/ to https://elsewhere\.example"):
        client.get("/api/projects/")
    assert len(studio.requests) == 1


def test_a_response_that_is_not_json_is_not_label_studio(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(200, "<html>Welcome to nginx</html>")
    with pytest.raises(LabelStudioError, match="is not Label Studio: its response to GET"):
        client.get("/api/projects/")


def test_nested_validation_errors_form_one_line(studio: Script, client: LabelStudioClient) -> None:
    errors = {"title": ["too short"], "settings": {"url": ["not a URL", "too long"]}}
    studio.answer(400, {"detail": "Validation error", "validation_errors": errors})
    with pytest.raises(LabelStudioError) as error:
        client.send("POST", "/api/projects/", json={})
    message = "Validation error; title: too short; settings: url: not a URL; settings: url: too long"
    assert str(error.value) == f"Label Studio rejected POST /api/projects/: {message}"


def test_a_key_in_a_response_is_hidden(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(403, {"detail": f"Bearer {jwt('access', expires_in_s=1)} and Basic Z2FsYXh5OnNlY3JldA== are no good"})
    with pytest.raises(LabelStudioError, match=r"\[hidden\] and \[hidden\] are no good"):
        client.get("/api/projects/")


def test_all_pages_are_read_if_tasks_are_deleted_meanwhile(studio: Script, client: LabelStudioClient) -> None:
    studio.answer(200, {"total": 4, "tasks": [{"id": 1}, {"id": 2}]})
    studio.answer(200, {"total": 4, "tasks": [{"id": 3}]})
    studio.answer(404, {"detail": "Invalid page."})
    assert [task["id"] for task in client.pages("/api/tasks/", project=1)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("url", "key", "reason"),
    [
        ("localhost:8080", "k", "must start with http"),
        ("ftp://user:secret@here", "k", "must start with http"),
        ("http://here", " ", "is empty"),
        ("http://user:secret@here", "k", "holds a user name or password"),
        ("http://here", "secret\nX-Header: value", "has an invalid character"),
        ("http://here", "sécret", "has an invalid character"),
    ],
)
def test_an_invalid_address_or_key_is_rejected_at_once(url: str, key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        LabelStudioClient(url, key)
    assert "cret" not in str(error.value)


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])), st.binary(min_size=24, max_size=60))
def test_error_messages_contain_no_token(around: str, secret: bytes) -> None:
    token = base64.urlsafe_b64encode(secret).decode()
    for form in (f"Bearer {token}", f"Basic {token}", f"eyJ{token}.{token}.{token}"):
        assert token not in str(LabelStudioError(f"{around} {form} {around}"))
