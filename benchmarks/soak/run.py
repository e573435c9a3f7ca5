"""Soak test: memory of one server and one worker under twenty minutes of mixed load.

Run: .venv/bin/python -m benchmarks.soak.run [--minutes 20]

Bulk predictions, prompts, events, annotations that form batches, and malformed requests, all at the same time. It prints the
resident memory of both processes every minute, and writes benchmarks/results/soak.json and the table of docs/benchmarks.md. The
result is the growth after the first quarter, when models are loaded and caches are full.
"""

from __future__ import annotations

import argparse
import logging
import signal
import tempfile
import threading
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from benchmarks.hardening.requests import memory_mb
from benchmarks.loop.fixture import LabelStudioFixture, open_fixture
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER
from sync.label_studio.client import LabelStudioUnavailable

log = logging.getLogger("benchmarks.soak")

CROPS = 200
CONFIG = "everything.xml"
EVERY_S = 10.0
SETTLED = 0.25
"""Share of the time after which memory should not grow."""


def main() -> None:
    """Run the load, record memory, print and write the table."""
    parser = argparse.ArgumentParser(description="Load a server and a worker for a long time and watch their memory.")
    parser.add_argument("--minutes", type=float, default=20.0)
    minutes = parser.parse_args().minutes
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory(prefix="galaxyloop-bench-") as folder,
        open_fixture(Path(folder), crops=CROPS, console=console) as fixture,
    ):
        memory_mb_of, requests = _soak(fixture, 60 * minutes, console)
    rows = []
    for name, memory in memory_mb_of.items():
        late_memory = memory[int(SETTLED * len(memory)) :]
        growth = late_memory[-1] - late_memory[0]
        rows.append(
            [
                name,
                f"{memory[0]:.0f}",
                f"{late_memory[0]:.0f}",
                f"{late_memory[-1]:.0f}",
                f"{max(memory):.0f}",
                f"{growth:+.0f}",
            ]
        )
    columns = ["process", "at the start, MB", "after a quarter", "at the end", "most", "growth after the first quarter"]
    table = markdown_table(columns, rows, title=f"Resident memory in {minutes:g} minutes of mixed load, {requests:,} requests")
    console.print(table)
    if minutes >= 20:
        machine = machine_line()
        write_numbers("soak", {"machine": machine, "minutes": minutes, "requests": requests, "memory_mb": memory_mb_of})
        write_section("soak", f"One run on {machine}.\n\n{table}")


def _soak(fixture: LabelStudioFixture, seconds: float, console: Console) -> tuple[dict[str, list[float]], int]:
    project = fixture.project(CONFIG, tasks=CROPS)
    fixture.attach(project)
    fixture.services.mark([project])
    over, counts = threading.Event(), {"requests": 0}
    threads = [
        threading.Thread(target=target, args=(fixture, project, over, counts), daemon=True) for target in (_request, _annotate)
    ]
    for thread in threads:
        thread.start()
    memory_mb_of: dict[str, list[float]] = {child.name: [] for child in fixture.children}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(EVERY_S)
        for child in fixture.children:
            memory_mb_of[child.name].append(memory_mb(child.pid))
        if len(memory_mb_of["server"]) % 6 == 0:
            console.print(", ".join(f"{name} {memory[-1]:.0f} MB" for name, memory in memory_mb_of.items()))
    over.set()
    for thread in threads:
        thread.join()
    return memory_mb_of, counts["requests"]


def _request(fixture: LabelStudioFixture, project: int, over: threading.Event, counts: dict[str, int]) -> None:
    settings = fixture.services.settings
    label_config = fixture.find_project(project).label_config
    tasks = [{"id": task.id, "data": task.data} for task in fixture.tasks(project)]
    credentials = settings.basic_auth_user, settings.basic_auth_password.get_secret_value()
    secret = {WEBHOOK_SECRET_HEADER: settings.webhook_secret.get_secret_value()}
    prompt = {
        "type": "keypointlabels", "from_name": "click", "to_name": "image", "original_width": 124, "original_height": 124,
        "is_positive": True, "id": "p", "value": {"x": 50.0, "y": 50.0, "width": 1.0, "keypointlabels": ["Galaxy"]},
    }  # fmt: skip
    request_body = {"project": f"{project}.1", "label_config": label_config}
    bodies: list[tuple[str, Any]] = [("/predict", request_body | {"tasks": tasks[:64]})]
    for task in tasks[:20]:
        bodies.append(("/predict", request_body | {"tasks": [task], "params": {"context": {"result": [prompt]}}}))
        bodies += [("/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": project}})] * 5
        bodies += [("/predict", request_body | {"tasks": "none"}), ("/setup", {"project": "x"})]
    with httpx.Client(base_url=settings.public_url, auth=credentials, timeout=120, trust_env=False) as client:
        for path, body in cycle(bodies):
            if over.is_set():
                return
            with suppress(httpx.TimeoutException):
                client.post(path, json=body, headers=secret)
                counts["requests"] += 1


def _annotate(fixture: LabelStudioFixture, project: int, over: threading.Event, counts: dict[str, int]) -> None:
    """Submit an annotation every three seconds, so that versions are trained."""
    for task in cycle(fixture.tasks(project)):
        try:
            predictions = fixture.client.get(f"/api/tasks/{task.id}/", project=project)["predictions"]
            if predictions:
                annotation = {"result": predictions[0]["result"]}
                fixture.client.send("POST", f"/api/tasks/{task.id}/annotations/", json=annotation)
                counts["requests"] += 1
        except LabelStudioUnavailable as error:  # Label Studio may exceed the timeout on a busy machine
            log.warning("%s", error)
        if over.wait(3.0):
            return


if __name__ == "__main__":
    main()
