"""Server for the timing of clicks: a `galaxyloop server` process, with a file server in place of Label Studio's.

A click is the request that Label Studio sends: on its own connection, with all prompts on the object so far. It is timed from
before the connection is opened until the last byte of the answer.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx

from backend.demo.processes import Child
from backend.heads.segmentation.simulated_clicks import Click
from benchmarks.loop.fixture import free_port, wait_until
from sync.controls import brushlabels, rle
from sync.geometry.shapes import Mask, Size

__all__ = ["Answer", "ClickRequest", "Serving", "mask_region", "serving"]

PROJECT = 1
PATIENCE_S = 300.0
CONFIG = files("labeling_configs").joinpath("masks.xml").read_text()


@dataclass(frozen=True, slots=True)
class ClickRequest:
    """Content of a click's request: the image's reference, its (width, height), and all clicks on the object so far."""

    reference: str
    size: Size
    clicks: tuple[Click, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Milliseconds of a request, and the mask; None if there is no mask or the server failed."""

    milliseconds: float
    mask: Mask | None


class FileServer(ThreadingHTTPServer):
    """Serves images by path, as Label Studio serves uploads."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _File)
        self.files: dict[str, bytes] = {}


class _File(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        content = self.server.files.get(self.path, b"")
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Suppress the log."""


class Serving:
    """Client of a server under measurement."""

    def __init__(self, shelf: FileServer, port: int) -> None:
        self._shelf = shelf
        self._port = port

    def put(self, content: bytes) -> str:
        """Add an image; return its new, unique reference."""
        reference = f"/data/upload/1/picture-{len(self._shelf.files)}.jpg"
        self._shelf.files[reference] = content
        return reference

    def click(self, request: ClickRequest, *, regions: Sequence[dict[str, Any]] = ()) -> Answer:
        """Request a mask; `regions` are those of an existing annotation of the task."""
        body = json.dumps(_body(request, regions)).encode()
        began = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json", "Connection": "close"})
            response = connection.getresponse()
            content = response.read()
        except OSError:
            return Answer(1000 * (time.perf_counter() - began), None)
        finally:
            connection.close()
        milliseconds = 1000 * (time.perf_counter() - began)
        regions_of_answer = json.loads(content)["results"][0]["result"] if response.status == 200 else []
        return Answer(milliseconds, brushlabels.decode(regions_of_answer[0]).shape if regions_of_answer else None)


@contextmanager
def serving(folder: Path, *, sam_checkpoint: Path | None = None, threads: int | None = None) -> Iterator[Serving]:
    """Run a server in `folder` with the product's default settings, except paths, ports and the given arguments."""
    port = free_port()
    with ExitStack() as ends:
        shelf = ends.enter_context(FileServer())
        threading.Thread(target=shelf.serve_forever, daemon=True).start()
        ends.callback(shelf.shutdown)
        environment = {
            "LABEL_STUDIO_URL": f"http://127.0.0.1:{shelf.server_address[1]}",
            "LABEL_STUDIO_API_KEY": "a-legacy-token",
            "GALAXYLOOP_DATA_DIR": str((folder / "data").absolute()),
            "GALAXYLOOP_PORT": str(port),
        }
        if sam_checkpoint is not None:
            environment["GALAXYLOOP_SAM_CHECKPOINT"] = str(sam_checkpoint.absolute())
        if threads is not None:
            environment |= {"GALAXYLOOP_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
        child = Child("server", [sys.executable, "-m", "backend.cli", "server"], environment=environment, logs=folder / "logs")
        ends.callback(child.stop)
        child.start()
        wait_until(lambda: _answers(port), "the server to answer", [child])
        yield Serving(shelf, port)


def mask_region(mask: Mask, number: int) -> dict[str, Any]:
    """Return a brush mask as a region of an annotation."""
    size = (mask.shape[1], mask.shape[0])
    value = {"format": "rle", "rle": rle.encode(mask), "brushlabels": ["Galaxy"]}
    return _region("mask", "brushlabels", value, size) | {"id": f"drawn-{number}", "origin": "manual"}


def _body(request: ClickRequest, regions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    task: dict[str, Any] = {"id": 1, "data": {"image": request.reference}}
    if regions:
        task["annotations"] = [{"id": 1, "result": list(regions)}]
    prompts = [_prompt(click, request.size) for click in request.clicks]
    return {"tasks": [task], "project": f"{PROJECT}.1", "label_config": CONFIG, "params": {"context": {"result": prompts}}}


def _prompt(click: Click, size: Size) -> dict[str, Any]:
    x, y, positive = click
    value = {"x": 100 * x / size[0], "y": 100 * y / size[1], "width": 0.2, "keypointlabels": ["Galaxy"]}
    return _region("click", "keypointlabels", value, size) | {"is_positive": positive}


def _region(control: str, kind: str, value: dict[str, Any], size: Size) -> dict[str, Any]:
    width, height = size
    where = {"from_name": control, "to_name": "image", "type": kind, "original_width": width, "original_height": height}
    return where | {"value": value}


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False
