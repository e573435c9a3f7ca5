"""Services with an empty folder, and a server of image files in place of Label Studio."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.services import Services
from backend.settings import Settings

Spot = tuple[float, float, float]
"""x, y, radius (standard deviation), pixels."""

DATABASE_NAME = "galaxyloop.db"
"""Name of the SQLite file in a data folder."""


class FileServer(ThreadingHTTPServer):
    """Serves the entries of `files` by path and query, as Label Studio serves uploads; other paths get 404.

    A path in `blocked_paths` is answered after its event is set.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.request_paths: list[str] = []
        self.blocked_paths: dict[str, threading.Event] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def put(self, path: str, content: bytes) -> str:
        self.files[path] = content
        return path


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_GET(self) -> None:
        self.server.request_paths.append(self.path)
        if self.path in self.server.blocked_paths:
            self.server.blocked_paths[self.path].wait(30)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


def draw(size: tuple[int, int] = (200, 100), spots: tuple[Spot, ...] = ((150, 50, 6), (60, 50, 5)), *, seed: int = 0) -> bytes:
    """Return a PNG of `size` (width, height) with round galaxies on a noisy sky."""
    return _draw(size, tuple(spots), seed)


@lru_cache(maxsize=1000)
def _draw(size: tuple[int, int], spots: tuple[Spot, ...], seed: int) -> bytes:
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    light = np.full((size[1], size[0]), 0.03)
    for x, y, radius in spots:
        light += 0.8 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
    noisy = light[..., None] + np.random.default_rng(seed).normal(0, 0.01, (size[1], size[0], 3))
    content = io.BytesIO()
    Image.fromarray((noisy.clip(0, 1) * 255).round().astype(np.uint8)).save(content, "PNG", compress_level=1)
    return content.getvalue()


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    return draw


@pytest.fixture(scope="session")
def files() -> Iterator[FileServer]:
    with FileServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests with the mark `databases` on each kind of database."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("databases"):
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Return the URL of the test's own database; empty for SQLite in its data folder."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgresql").emptied_database()
    return url


@pytest.fixture(scope="session", autouse=True)
def _load_shipped_network_once() -> Iterator[None]:
    """Load the shipped network once per process of tests: it does not change, and every test opens services of its own.

    It is that of PyTorch also where the extra `fast` is installed, so that the results of tests do not depend on the processor.
    """
    if "backend.prediction.shipped_parts" not in sys.modules:  # no test that was collected needs it
        yield
        return
    from backend.lvm.checkpoint import load_encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backend.prediction.shipped_parts.load_fastest_encoder", cache(load_encoder))
        yield


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of a registry without projects: copying it takes a tenth of the time of the migrations."""
    folder = tmp_path_factory.mktemp("registry")
    Services(Settings(data_dir=folder)).engine.dispose()
    return (folder / DATABASE_NAME).read_bytes()


@pytest.fixture
def open_services(tmp_path: Path, files: FileServer, database: str, new_database: bytes) -> Iterator[Callable[..., Services]]:
    """Return a function that opens services on this test's folder and database; keywords are settings."""
    open_ones: list[Services] = []

    def open_(**changes: Any) -> Services:
        folder = Path(changes.get("data_dir", tmp_path))
        if not database and "database_url" not in changes and not (folder / DATABASE_NAME).exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / DATABASE_NAME).write_bytes(new_database)
        open_ones.append(_open(tmp_path, files, **{"database_url": database} | changes))
        return open_ones[-1]

    yield open_
    for services in open_ones:
        services.engine.dispose()


@pytest.fixture
def services(open_services: Callable[..., Services]) -> Services:
    return open_services()


@pytest.fixture(scope="session")
def predicting(tmp_path_factory: pytest.TempPathFactory, files: FileServer) -> Services:
    """Return services with a loaded encoder, for tests that only predict; each uses its own project."""
    return _open(tmp_path_factory.mktemp("predicting"), files)


@pytest.fixture(scope="session")
def embeddings() -> Callable[..., tuple[Any, Any]]:
    """Return a function that makes n embeddings in one cluster per label, and the labels' soft targets."""

    def make(labels: list[int], *, classes: int, dimension: int, seed: int = 0) -> tuple[Any, Any]:
        rng = np.random.default_rng(seed)
        heaps = rng.normal(0, 1, (classes, dimension))
        vectors = heaps[labels] + rng.normal(0, 0.2, (len(labels), dimension))
        return vectors.astype(np.float32), np.eye(classes)[labels]

    return make


def _open(folder: Path, files: FileServer, **changes: Any) -> Services:
    values: dict[str, Any] = {"data_dir": folder, "label_studio_url": files.url, "label_studio_api_key": "a-legacy-token"}
    return Services(Settings(**(values | changes)))


@pytest.fixture
def image_folder(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """Return a folder with three images, one of them in a subfolder, and a text file with an image's name."""
    folder = tmp_path / "image_folder"
    (folder / "deep").mkdir(parents=True)
    for number, place in enumerate(("b.png", "a.PNG", "deep/c.png")):
        (folder / place).write_bytes(png(seed=number))
    (folder / "broken.jpg").write_text("no image")
    (folder / "notes.txt").write_text("no image, with the suffix of a text")
    return folder
