"""A real Label Studio for the tests: one per session, on a free port, with a fresh database."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from backend.demo.processes import port_is_free
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.local_server import DATABASE, LabelStudioServer
from sync.label_studio.login import login
from tests.installed_wheel import make_environment

ROOT = Path(__file__).parents[2]
USER, PASSWORD = "admin@example.com", "galaxies-for-tests"


class Studio(NamedTuple):
    """URL of the Label Studio of this session, and a personal access token for it."""

    url: str
    api_key: str


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder as `e2e`."""
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
def label_studio_template(label_studio_executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated database with one user, cached for later sessions, because it takes half a minute."""
    package = next(label_studio_executable.parents[1].glob("lib/python*/site-packages/label_studio-*.dist-info"))
    template = ROOT / ".cache" / f"{package.stem}-{PASSWORD}"
    if not template.is_dir():
        folder = tmp_path_factory.mktemp("label-studio-template")
        with _server(label_studio_executable, folder) as server:
            server.start()
            server.wait()
        part = template.with_suffix(f".{os.getpid()}")
        part.mkdir(parents=True)
        for name in (DATABASE, ".env"):
            shutil.copy(folder / name, part / name)
        try:
            part.rename(template)
        except OSError:  # another test process was faster
            shutil.rmtree(part)
    return template


@pytest.fixture(scope="session")
def label_studio_data(label_studio_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh data directory."""
    data = tmp_path_factory.mktemp("label-studio")
    shutil.copytree(label_studio_template, data, dirs_exist_ok=True)
    return data


@pytest.fixture(scope="session")
def label_studio_server(label_studio_executable: Path, label_studio_data: Path) -> Iterator[LabelStudioServer]:
    """Run Label Studio for the session; a test that stops it restarts it."""
    with _server(label_studio_executable, label_studio_data) as server:
        server.start()
        server.wait()
        yield server


@pytest.fixture(scope="session")
def label_studio(label_studio_server: LabelStudioServer) -> Studio:
    return Studio(label_studio_server.url, login(label_studio_server.url, USER, PASSWORD))


@pytest.fixture
def client(label_studio: Studio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(label_studio.url, label_studio.api_key) as client:
        yield client


@pytest.fixture
def free_port() -> int:
    return _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _server(executable: Path, data: Path) -> LabelStudioServer:
    local = data / "local-files"
    return LabelStudioServer(executable, data, port=_free_port(), user=USER, password=PASSWORD, local_files=local)


@dataclass
class RecordingBackend:
    """An ML backend that returns no regions and records the requests of Label Studio."""

    url: str
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """Return the bodies of the requests to `path`."""
        return [body for request_path, _, body in list(self.requests) if request_path == path]

    def wait_for_event(self, action: str, *, timeout_s: float = 10.0) -> tuple[dict[str, str], dict[str, Any]]:
        """Wait for the first event of this action and return its headers and body."""

        def find_request() -> tuple[dict[str, str], dict[str, Any]] | None:
            events = [(headers, body) for path, headers, body in self.requests if path == "/webhook"]
            return next((event for event in events if event[1].get("action") == action), None)

        with self.arrived:
            self.arrived.wait_for(find_request, timeout=timeout_s)
            event = find_request()
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
            with backend.arrived:
                backend.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                backend.arrived.notify_all()
            results = [{"result": [], "score": 0.5, "model_version": "v0001"} for _ in body.get("tasks", [])]
            content = json.dumps({"status": "UP", "model_version": "v0001", "results": results}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        backend = RecordingBackend(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield backend
        server.shutdown()


class Demo:
    """`galaxyloop demo` as a subprocess; a mark in the environment identifies all processes that it starts.

    Attributes
    ----------
    data : Path
        Its data folder.
    values : dict
        Content of its file `env` when it was ready.
    """

    def __init__(self, python: Path, label_studio: Path, data: Path, *, images: Path | None = None) -> None:
        self.data = data
        self.values: dict[str, str] = {}
        self.ports = (_free_port(), _free_port())
        self._python = python
        self._label_studio = label_studio
        self._images = images
        self._mark = f"GALAXYLOOP_TEST_MARK={uuid.uuid4().hex}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        """Return its output so far."""
        return (self.data / "demo.log").read_text()

    def run(self) -> subprocess.Popen[bytes]:
        """Start it without waiting."""
        port, backend_port = self.ports
        command: list[str | Path] = [
            self._python,
            "-m",
            "backend.cli",
            "demo",
            "--data-dir",
            self.data,
            "--label-studio",
            self._label_studio,
        ]
        command += ["--port", str(port), "--backend-port", str(backend_port)]
        if self._images is not None:
            command += ["--images", self._images]
        name, value = self._mark.split("=")
        mine = {name: value, "GALAXYLOOP_BATCH": "10", "COLUMNS": "1000"}
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "demo.log").open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self.data,
                env=make_environment(**mine),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                # Under nohup, SIGHUP is ignored, which the demo would inherit and keep.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            )

    def start(self, *, timeout_s: float = 300.0) -> float:
        """Start it, wait until it is ready, and return the seconds this took."""
        env = self.data / "env"
        env.unlink(missing_ok=True)  # the demo deletes it too, but only after loading
        began = time.monotonic()
        self._process = self.run()
        wait_until(lambda: env.exists() or not self.running, "the demo is ready", timeout_s=timeout_s)
        assert self.running, f"the demo ended:\n{self.output}"
        self.values = dict(line.split("=", 1) for line in env.read_text().splitlines())
        return time.monotonic() - began

    @property
    def running(self) -> bool:
        """Return whether the command itself is running."""
        return self._process is not None and self._process.poll() is None

    def processes(self) -> dict[int, str]:
        """Return the command line of each of its processes, by process id."""
        commands = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # a process of another user, or one that has ended
                if self._mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        return commands

    def end(self, *demands: signal.Signals) -> int:
        """Send these signals in turn (default SIGINT), check that all processes have ended, and return the exit status."""
        if self._process is None:
            return 0
        for demand in demands or (signal.SIGINT,):
            self._process.send_signal(demand)
            wait_until(lambda: "stopping" in self.output or not self.running, "the demo ends after a signal")
        try:
            status = self._process.wait(60)
            assert self.processes() == {}
            assert [port for port in self.ports if not port_is_free(port)] == []
        finally:
            for number in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self._process = None
        return status

    def client(self) -> LabelStudioClient:
        """Return a client of its Label Studio."""
        return LabelStudioClient(self.values["LABEL_STUDIO_URL"], self.values["LABEL_STUDIO_API_KEY"])


@pytest.fixture(scope="session")
def new_demo(
    installed_wheel: Path,
    label_studio_executable: Path,
    label_studio_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Demo]:
    """Return a factory of demos of the wheel that are not started.

    Their Label Studio has a migrated database, which saves half a minute.
    """

    def make(images: Path | None = None) -> Demo:
        data = tmp_path_factory.mktemp("demo")
        shutil.copytree(label_studio_template, data / "label-studio")
        return Demo(installed_wheel / "python", label_studio_executable, data, images=images)

    return make


@pytest.fixture(scope="session")
def demo(new_demo: Callable[..., Demo]) -> Iterator[Demo]:
    """Run the demo of the Hubble deep field for the session; tests may annotate in it and restart it."""
    template = new_demo()
    try:
        template.start()
        yield template
    finally:
        template.end()


def wait_until(condition: Callable[[], Any], what: str, *, timeout_s: float = 60.0) -> Any:
    """Wait until `condition` is true and return its value; after `timeout_s` fail with `what`."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain until {what}"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="session")
def wait() -> Callable[..., Any]:
    """Return `wait_until`, because tests cannot import this file."""
    return wait_until
