"""A batch of ten on a real Label Studio: from the last submit to the new version, step by step.

Run: .venv/bin/python -m benchmarks.loop.batch_label_studio [--images 120] [--batches 3] [--write]

A fresh Label Studio, server and worker with their default settings hold a project of the demo's config, everything.xml, and
galaxies of 424 px. Ten tasks per batch, in the order of the queue (least certain first), get the predicted outlines, of which
one in five is moved, and the class of the Galaxy Zoo 2 votes. The clock starts when the last one is submitted. "Trained" is
when the version is in the registry, "judged" when the gate has decided; "next 20 predicted" is when the next 20 tasks of the
queue have predictions of the new version, "all predictions" when every task has one and Label Studio shows them. A rejected
version has only the first two. CPU seconds are the worker's.

Limitations. Label Studio uses SQLite and the same cores; no annotator works while the worker trains.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console

from backend.registry.records import Version
from benchmarks.loop.batch import BATCH, SIDE_PX, annotated_regions, galaxies
from benchmarks.loop.fixture import ASK_EVERY_S, LabelStudioFixture, open_fixture
from benchmarks.report import machine_line, markdown_table, write_section
from sync.label_studio.projects import create_project, upload_images
from sync.label_studio.tasks import Task

CONFIG = "everything.xml"
NEXT = 20


@dataclass(frozen=True, slots=True)
class Turn:
    """One batch; seconds from the last submit, None where the version was rejected."""

    batch: int
    trained_s: float
    judged_s: float
    next_s: float | None
    all_s: float | None
    worker_cpu_s: float
    reason: str


def main() -> None:
    """Measure, print and optionally write the table."""
    parser = argparse.ArgumentParser(description="Measure batches of ten against a real Label Studio.")
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write the table of docs/benchmarks.md")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="galaxyloop-batch-") as folder,
        open_fixture(Path(folder), crops=1, console=Console()) as fixture,
    ):
        classes = galaxies(Path(folder) / "galaxies", count=options.images)
        turns = list(_measure(fixture, classes, batches=options.batches))
    columns = ["batch", "trained, s", "judged, s", f"next {NEXT} predicted, s", "all predictions, s", "worker, CPU s"]
    rows = [
        [
            str(turn.batch),
            *(
                "rejected" if value is None else f"{value:.1f}"
                for value in (turn.trained_s, turn.judged_s, turn.next_s, turn.all_s)
            ),
            f"{turn.worker_cpu_s:.1f}",
        ]
        for turn in turns
    ]
    title = (
        f"From the last submit of a batch of {BATCH}, {CONFIG}, {len(classes)} galaxies of {SIDE_PX} px, on a real Label Studio"
    )
    table = markdown_table(columns, rows, title=title)
    print(table)
    if options.write:
        load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
        write_section("loop_batch_studio", f"One run on {machine_line()}; load averages at its end {load}.\n\n{table}")


def _measure(fixture: LabelStudioFixture, classes: Mapping[Path, str], *, batches: int) -> Iterator[Turn]:
    project = create_project(fixture.client, "galaxies", files("labeling_configs").joinpath(CONFIG).read_text())
    upload_images(fixture.client, project, list(classes))
    fixture.attach(project)
    fixture.services.mark_now(project)
    began = time.monotonic()
    fixture.wait_until(lambda: fixture.is_published(project), "the first predictions to be stored")
    print(f"first predictions: {time.monotonic() - began:.1f} s", flush=True)
    name_by_file = {path.name: name for path, name in classes.items()}
    todo = {task.id: task for task in fixture.tasks(project)}
    for batch in range(1, batches + 1):
        fixture.rest()
        queue_order = _queue(fixture, project, todo)
        number, worker = len(fixture.services.registry.versions(project)) + 1, _worker()
        bodies = [(task, _annotation(task, prediction, name_by_file)) for task, prediction in queue_order[:BATCH]]
        for task, body in bodies:
            fixture.client.send("POST", f"/api/tasks/{task.id}/annotations/", json=body)
            del todo[task.id]
        turn = _watch(
            fixture, project, number, worker, batch=batch, after=[task.id for task, _ in queue_order[BATCH : BATCH + NEXT]]
        )
        print(turn, flush=True)
        yield turn


def _watch(fixture: LabelStudioFixture, project: int, number: int, worker: Path, *, batch: int, after: list[int]) -> Turn:
    """Record the times of version `number`, from the last submit, which is now."""
    began, cpu = time.monotonic(), _cpu_s(worker)

    def version() -> Version | None:
        return next((version for version in fixture.services.registry.versions(project) if version.number == number), None)

    def is_decided() -> bool:
        results = version()
        return results is not None and results.verdict in ("live", "rejected")

    fixture.wait_until(lambda: version() is not None, f"version {number} to be trained")
    trained_s = time.monotonic() - began
    fixture.wait_until(is_decided, f"version {number} to be judged")
    judged_s = time.monotonic() - began
    results = version()
    assert results is not None
    next_s = all_s = None
    if results.verdict == "live":
        name = fixture.name_of(project, number)
        fixture.wait_until(lambda: _is_stored(fixture, after, name), "the next predictions to be stored", every_s=ASK_EVERY_S)
        next_s = time.monotonic() - began
        fixture.wait_until(lambda: fixture.is_published(project), "all predictions to be stored")
        all_s = time.monotonic() - began
    return Turn(batch, trained_s, judged_s, next_s, all_s, _cpu_s(worker) - cpu, str(results.evidence.get("reason", "")))


def _is_stored(fixture: LabelStudioFixture, tasks: list[int], name: str) -> bool:
    """Return whether tasks have a prediction of a version; the last task is queried first."""
    return all(
        any(prediction["model_version"] == name for prediction in fixture.client.get("/api/predictions/", task=task))
        for task in tasks[::-1]
    )


def _queue(fixture: LabelStudioFixture, project: int, todo: Mapping[int, Task]) -> list[tuple[Task, dict[str, Any]]]:
    """Return the open tasks with the live version's predictions, lowest score first, as uncertainty sampling serves them."""
    live = fixture.find_project(project).live_name
    counts_by_task = {}
    for task in todo.values():
        for prediction in fixture.client.get("/api/predictions/", task=task.id):
            if prediction["model_version"] == live:
                counts_by_task[task.id] = prediction
    return sorted(
        ((todo[id_], prediction) for id_, prediction in counts_by_task.items()), key=lambda pair: pair[1]["score"] or 0.0
    )


def _annotation(task: Task, prediction: Mapping[str, Any], name_by_file: Mapping[str, str]) -> dict[str, Any]:
    name = name_by_file[str(task.data["image"]).rpartition("/")[2].partition("-")[2]]
    result = annotated_regions(prediction["result"], name, task=task.id)
    return {"result": result, "lead_time": 20.0, "parent_prediction": prediction["id"]}


def _worker() -> Path:
    """Return the worker's folder in /proc."""
    for process in Path("/proc").glob("[0-9]*"):
        ours = f"\nPPid:\t{os.getpid()}\n" in (process / "status").read_text()
        if ours and (process / "cmdline").read_bytes().endswith(b"\0worker\0"):
            return process
    raise RuntimeError("this process has no worker")


def _cpu_s(process: Path) -> float:
    """Return user and system seconds of a process so far."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
