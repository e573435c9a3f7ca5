"""Fixtures for `galaxyloop prelabel PROJECT` against the real Label Studio, in projects of crops of the Hubble deep field."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from skimage.data import hubble_deep_field
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import read_tasks

TILES = 16
TILE_PX = 64
LEASE_S = 6
LATE_S = 4.0
"""Delay of an import to Label Studio: longer than the next run's storing, shorter than the lease."""


@pytest.fixture(scope="session")
def environment(label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": label_studio.api_key,
        "GALAXYLOOP_DATA_DIR": str(tmp_path_factory.mktemp("prelabel")),
        "GALAXYLOOP_LEASE_S": str(LEASE_S),
        "GALAXYLOOP_WORKER_NICENESS": "0",  # the command runs in the process of the tests
        "COLUMNS": "300",
    }


@pytest.fixture(scope="session")
def services(environment: dict[str, str]) -> Services:
    """Return services with the registry, as in another process."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return Services(Settings())


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., Result]:
    """Return a function that runs `galaxyloop prelabel` in this process."""
    return lambda *words: CliRunner().invoke(app, ["prelabel", *(str(word) for word in words)], env=environment)


@pytest.fixture(scope="session")
def references(label_studio: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return task references of uploaded crops of the Hubble deep field."""
    folder = tmp_path_factory.mktemp("crops")
    field = np.asarray(hubble_deep_field())
    crops = []
    for number in range(TILES):
        row, column = divmod(number, 4)
        crops.append(folder / f"crop-{number:02d}.png")
        corner = field[row * 200 : row * 200 + TILE_PX, column * 200 : column * 200 + TILE_PX]
        Image.fromarray(corner).save(crops[-1])
    with LabelStudioClient(label_studio.url, label_studio.api_key) as client:
        uploads = create_project(client, "Crops", config("morphology"))
        upload_images(client, uploads, crops)
        return [str(task.data["image"]) for task in read_tasks(client, uploads)]


@pytest.fixture
def new_project(client: LabelStudioClient, references: list[str]) -> Callable[..., int]:
    """Return a function that creates a project of `n` tasks, which share the crops."""

    def make(tasks: int = TILES, *, name: str = "morphology") -> int:
        project = create_project(client, "To be predicted", config(name))
        data = [{"image": references[number % TILES]} for number in range(tasks)]
        client.send("POST", f"/api/projects/{project}/import", json=data)
        return project

    return make


@pytest.fixture
def impatient_proxy(label_studio: Any) -> Iterator[tuple[str, list[threading.Timer]]]:
    """Run a proxy that answers 504 to an import and forwards it later; yield its address and the delayed requests."""
    late: list[threading.Timer] = []

    class Hand(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() in ("authorization", "content-type")}

            def forward() -> httpx.Response:
                url = label_studio.url + self.path
                return httpx.request(self.command, url, content=content, headers=headers, timeout=60, trust_env=False)

            if self.path.endswith("/import/predictions"):
                late.append(threading.Timer(LATE_S, forward))
                late[-1].start()
                return self._say(504, b"")
            answer = forward()
            return self._say(answer.status_code, answer.content)

        do_POST = do_PATCH = do_GET  # noqa: N815

        def _say(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hand) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", late
        server.shutdown()
    for timer in late:
        timer.join()


def config(name: str) -> str:
    return files("labeling_configs").joinpath(f"{name}.xml").read_text()
