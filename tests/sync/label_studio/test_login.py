"""From a password to an API key, against a server with Label Studio's login form."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from sync.label_studio.client import LabelStudioError, LabelStudioUnavailable
from sync.label_studio.login import login

USER, PASSWORD = "team@example.org", "a password"
FORM = '<input type="hidden" name="csrfmiddlewaretoken" value="csrf-1">'


class LoginServer(ThreadingHTTPServer):
    """Label Studio's login page and token endpoint."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.page = FORM
        self.token: tuple[int, str] = (201, '{"token": "a-personal-token"}')


class Handler(BaseHTTPRequestHandler):
    server: LoginServer

    def do_GET(self) -> None:
        self._send(200, self.server.page)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        if self.path == "/api/token/":
            self._send(*self.server.token if self.headers["X-CSRFToken"] == "csrf-2" else (403, ""))
            return
        form = {"csrfmiddlewaretoken": ["csrf-1"], "email": [USER], "password": [PASSWORD]}
        self._send(302 if parse_qs(content) == form else 200, FORM)

    def _send(self, status: int, body: str) -> None:
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/projects/")
            self.send_header("Set-Cookie", "csrftoken=csrf-2")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Suppress the log."""


@pytest.fixture
def server() -> Iterator[LoginServer]:
    with LoginServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def test_a_login_returns_a_personal_token(server: LoginServer) -> None:
    assert login(f"{server.url}/", USER, PASSWORD) == "a-personal-token"


def test_a_wrong_password_is_an_error(server: LoginServer) -> None:
    with pytest.raises(LabelStudioError, match=f"rejects the password of {USER}"):
        login(server.url, USER, "another")


def test_a_second_token_is_rejected_with_the_remedy(server: LoginServer) -> None:
    server.token = (409, "{}")
    with pytest.raises(LabelStudioError, match="revoke it under Account & Settings") as error:
        login(server.url, USER, PASSWORD)
    assert error.value.status == 409


def test_a_page_without_a_login_form_is_not_label_studio(server: LoginServer) -> None:
    server.page = "<html>nginx</html>"
    with pytest.raises(LabelStudioError, match="is not Label Studio: it has no login form"):
        login(server.url, USER, PASSWORD)


def test_an_address_without_a_server_is_unavailable() -> None:
    with pytest.raises(LabelStudioUnavailable, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        login("http://127.0.0.1:9", USER, PASSWORD)
