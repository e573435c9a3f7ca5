"""A real Label Studio for the tests: one for the session, on a free port, with a fresh database."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sync.client import LabelStudioClient
from sync.login import login
from sync.studio import DATABASE, LabelStudioServer

ROOT = Path(__file__).parents[2]
USER, PASSWORD = "admin@example.com", "galaxies-for-tests"


class Studio(NamedTuple):
    """Where the Label Studio of this session is, and a personal access token for it."""

    url: str
    api_key: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the real Label Studio."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def label_studio_executable() -> Path:
    executable = Path(os.environ.get("GALAXYLOOP_LABEL_STUDIO", ROOT / ".venv-label-studio/bin/label-studio"))
    if not executable.is_file():
        pytest.skip(f"no Label Studio at {executable}: `make test` sets it up")
    return executable


@pytest.fixture(scope="session")
def label_studio_data(label_studio_executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh data directory; its migrated database, half a minute's work, is copied from a template that is kept."""
    installed = next(label_studio_executable.parents[1].glob("lib/python*/site-packages/label_studio-*.dist-info"))
    template = ROOT / ".cache" / f"{installed.stem}-{PASSWORD}"
    if not template.is_dir():
        made = tmp_path_factory.mktemp("label-studio-template")
        with _server(label_studio_executable, made) as server:
            server.start()
            server.wait()
        part = template.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True)
        for name in (DATABASE, ".env"):
            shutil.copy(made / name, part / name)
        part.rename(template)
    data = tmp_path_factory.mktemp("label-studio")
    shutil.copytree(template, data, dirs_exist_ok=True)
    return data


@pytest.fixture(scope="session")
def label_studio(label_studio_executable: Path, label_studio_data: Path) -> Iterator[Studio]:
    with _server(label_studio_executable, label_studio_data) as server:
        server.start()
        server.wait()
        yield Studio(server.url, login(server.url, USER, PASSWORD))


@pytest.fixture
def client(label_studio: Studio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(label_studio.url, label_studio.api_key) as connected:
        yield connected


@pytest.fixture
def free_port() -> int:
    return _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server(executable: Path, data: Path) -> LabelStudioServer:
    return LabelStudioServer(executable, data, port=_free_port(), user=USER, password=PASSWORD)


@dataclass
class RecordingBackend:
    """An ML backend that knows nothing and remembers what Label Studio asked of it."""

    url: str
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """Return the bodies of the requests to `path`."""
        return [body for asked, _, body in list(self.requests) if asked == path]

    def wait_for_event(self, action: str, *, timeout_s: float = 10.0) -> tuple[dict[str, str], dict[str, Any]]:
        """Return headers and body of the first event of this kind, waiting for it."""

        def found() -> tuple[dict[str, str], dict[str, Any]] | None:
            events = [(headers, body) for path, headers, body in self.requests if path == "/webhook"]
            return next((event for event in events if event[1].get("action") == action), None)

        with self.arrived:
            self.arrived.wait_for(found, timeout=timeout_s)
            event = found()
        assert event is not None, f"no {action} in {timeout_s} s"
        return event


@pytest.fixture
def recording_backend() -> Iterator[RecordingBackend]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}"))

        def _answer(self, body: dict[str, Any]) -> None:
            with recorded.arrived:
                recorded.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                recorded.arrived.notify_all()
            results = [{"result": [], "score": 0.5, "model_version": "v0001"} for _ in body.get("tasks", [])]
            content = json.dumps({"status": "UP", "model_version": "v0001", "results": results}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        recorded = RecordingBackend(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield recorded
        server.shutdown()
