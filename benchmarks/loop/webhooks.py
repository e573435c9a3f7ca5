"""Webhook acknowledgement: milliseconds from an event's connection to its answer, for many concurrent events.

Each event has its own connection, as in Label Studio, and contains a real annotation with its masks. The client uses
sockets under asyncio: an HTTP client library would take more time on the same cores than the measured server.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from backend.demo.processes import Child
from benchmarks.loop.fixture import LabelStudioFixture, free_port, wait_until
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER

__all__ = [
    "AT_ONCE",
    "LABEL_STUDIO_ML",
    "Acknowledgement",
    "an_event",
    "measure_alternative",
    "measure_ours",
    "post",
    "request_bytes",
]

AT_ONCE = 50
ALTERNATIVE_AT_ONCE = 8
"""50 concurrent events in ten rounds started 500 processes, which filled 24 GB and stopped the machine for 20 minutes."""
BULK_TASKS = 1000
"""Smallest number of tasks in a bulk request, so that it lasts longer than the events."""
GIVE_UP_S = 10.0
LABEL_STUDIO_GIVES_UP_S = 1.0
LABEL_STUDIO_ML = Path(".venv-label-studio-ml/bin/python")
EMPTY_BACKEND = """
import sys
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase

class Empty(LabelStudioMLBase):
    def predict(self, tasks, **kwargs):
        return []
    def fit(self, tasks, workdir=None, **kwargs):
        return {}

if __name__ == "__main__":
    init_app(model_class=Empty, model_dir=sys.argv[1]).run(host="127.0.0.1", port=int(sys.argv[2]))
"""
"""The script that `label-studio-ml start` runs, with an empty model, so that only the server's own cost is measured.

It runs without the product's packages: with torch installed, it starts an interpreter that imports torch (200 MB) for every
event; without torch, it forks itself.
"""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Times of one run of events.

    Attributes
    ----------
    milliseconds : list of float
        Times of the events that were answered with success.
    lost : int
        Events without such an answer within Label Studio's second.
    events : int
        Number of events sent.
    """

    server: str
    meanwhile: str
    body_bytes: int
    milliseconds: list[float]
    lost: int
    events: int

    def percentile(self, q: float) -> float:
        """Return a percentile, milliseconds; NaN without successful answers."""
        return float(np.percentile(self.milliseconds, q)) if self.milliseconds else float("nan")


def an_event(fixture: LabelStudioFixture, project: int) -> bytes:
    """Return the body of ANNOTATION_CREATED, composed from Label Studio's API answers for a pre-labelled task."""
    task = fixture.client.get(f"/api/tasks/{fixture.tasks(project)[0].id}/", project=project)
    result = [dict(region, origin="prediction") for region in task["predictions"][0]["result"]]
    annotation = {"id": 1, "result": result, "was_cancelled": False, "task": task["id"], "project": project}
    project_record = fixture.client.get(f"/api/projects/{project}/")
    bare = {name: value for name, value in task.items() if name not in ("annotations", "predictions")}
    event = {"action": "ANNOTATION_CREATED", "annotation": annotation, "project": project_record, "task": bare}
    return json.dumps(event).encode()


def measure_ours(fixture: LabelStudioFixture, body: bytes, *, project: int, rounds: int) -> Iterator[Acknowledgement]:
    """Measure our server, idle and while it predicts a whole project."""
    settings = fixture.services.settings
    headers = {WEBHOOK_SECRET_HEADER: settings.webhook_secret.get_secret_value()}
    times, lost_count = asyncio.run(_rounds(settings.port, request_bytes(body, headers), rounds))
    yield Acknowledgement("galaxyloop", "idle", len(body), times, lost_count, AT_ONCE * rounds)
    fixture.rest()
    times, lost_count = asyncio.run(_beside_bulk(fixture, project, request_bytes(body, headers), rounds))
    yield Acknowledgement("galaxyloop", "predicting in bulk", len(body), times, lost_count, AT_ONCE * rounds)
    fixture.rest()


def measure_alternative(folder: Path, body: bytes) -> Acknowledgement:
    """Measure label-studio-ml 1.0.9 with an empty model and few events, because it starts a process for each one."""
    with _label_studio_ml(folder) as port:
        times, lost_count = asyncio.run(_rounds(port, request_bytes(body, {}), 1, at_once=ALTERNATIVE_AT_ONCE))
    name = f"label-studio-ml 1.0.9, empty model, {ALTERNATIVE_AT_ONCE} at once"
    return Acknowledgement(name, "idle", len(body), times, lost_count, ALTERNATIVE_AT_ONCE)


async def _beside_bulk(fixture: LabelStudioFixture, project: int, request: bytes, rounds: int) -> tuple[list[float], int]:
    settings = fixture.services.settings
    tasks = [{"id": task.id, "data": task.data} for task in fixture.tasks(project)]
    tasks *= -(-BULK_TASKS // len(tasks))
    request_body = {"tasks": tasks, "project": f"{project}.1", "label_config": fixture.find_project(project).label_config}
    body = json.dumps(request_body).encode()
    credentials = f"{settings.basic_auth_user}:{settings.basic_auth_password.get_secret_value()}".encode()
    bulk = request_bytes(body, {"Authorization": "Basic " + base64.b64encode(credentials).decode()}, path="/predict")
    times: list[float] = []
    lost_count = 0
    for _ in range(rounds):
        # One bulk request per round, so that every event arrives while the server predicts.
        predicting = asyncio.create_task(post(settings.port, bulk, patience_s=600.0))
        await asyncio.sleep(0.3)
        new_times, lost_in_round = await _rounds(settings.port, request, 1)
        if predicting.done():
            raise RuntimeError("the bulk prediction was over before the events were: take more tasks")
        times, lost_count = times + new_times, lost_count + lost_in_round
        assert (await predicting)[1], "the bulk prediction failed"
    return times, lost_count


async def _rounds(port: int, request: bytes, rounds: int, *, at_once: int = AT_ONCE) -> tuple[list[float], int]:
    """Send `at_once` requests together, `rounds` times; return their milliseconds and how many were lost."""
    times = []
    for _ in range(rounds):
        answers = await asyncio.gather(*(post(port, request, patience_s=GIVE_UP_S) for _ in range(at_once)))
        times += [(1000 * seconds, fine) for seconds, fine in answers]
    lost_count = sum(not fine or milliseconds > 1000 * LABEL_STUDIO_GIVES_UP_S for milliseconds, fine in times)
    return [milliseconds for milliseconds, fine in times if fine], lost_count


async def post(port: int, request: bytes, *, patience_s: float) -> tuple[float, bool]:
    """Send one request over its own connection; return the seconds it took, and whether it was answered with success."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                status = await reader.readline()
                await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return time.perf_counter() - began, False
    return time.perf_counter() - began, status.split()[1:2] in ([b"200"], [b"201"])


def request_bytes(body: bytes, headers: Mapping[str, str], *, path: str = "/webhook") -> bytes:
    """Return the bytes of a POST request; the server closes the connection after its answer."""
    fields: dict[str, Any] = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": len(body)}
    lines = [f"{name}: {value}" for name, value in {**fields, "Connection": "close", **headers}.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode() + body


@contextmanager
def _label_studio_ml(folder: Path) -> Iterator[int]:
    """Run label-studio-ml's server and yield its port."""
    folder.mkdir(parents=True)
    script, port = folder / "_wsgi.py", free_port()
    script.write_text(EMPTY_BACKEND)
    packages = next((LABEL_STUDIO_ML.parents[1] / "lib").glob("python*/site-packages"))
    command = [str(LABEL_STUDIO_ML), "-S", str(script), str(folder / "model"), str(port)]
    child = Child("label-studio-ml", command, environment={"PYTHONPATH": str(packages.absolute())}, logs=folder)
    try:
        child.start()
        wait_until(lambda: _answers(port), "label-studio-ml to answer", [child])
        yield port
    finally:
        child.stop()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False
