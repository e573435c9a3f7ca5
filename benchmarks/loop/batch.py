"""Time of each step of a batch: galaxies of 424 px, classes and outlines, in seconds and CPU seconds.

Run: .venv/bin/python -m benchmarks.loop.batch [--images 120] [--batches 2] [--write]

The benchmark runs in one process on one computing thread, as the worker does on two cores, without Label Studio and without the
worker's quiet time: it measures galaxyloop's own work, which grows with the size of the images. Ten tasks per batch get the
live version's outlines, of which one in five is moved, and the class of the Galaxy Zoo 2 votes; then a version is trained and
compared by the gate, and predicts the remaining tasks. One task in five is held out. Without the galaxies of ../shared/data the
images are crops of the Hubble deep field, with classes by brightness.

Both methods use the same images, labels and seeds. "All fitted" is the previous behaviour: masks are fine-tuned for every
version, whether or not the gate can compare them, and the learned detector is trained for every fold, whether or not the head
uses it.

Limitations: no storing and listing by Label Studio (see batch_label_studio.py), and no hundreds of held-out annotations.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from backend.loop.examples.held_out import choose_held_out, sides_of
from backend.loop.examples.snapshot import Snapshot, take_snapshot
from backend.loop.gate.gate import run_gate
from backend.loop.training.train import train
from backend.prediction.predictor import Prediction, PredictionTask
from backend.registry.records import Project
from backend.services import Services
from backend.settings import Settings
from benchmarks.loop.fixture import cut_crops
from benchmarks.report import machine_line, markdown_table, write_section
from sync.label_studio.annotations import Annotation
from sync.label_studio.tasks import Task

GALAXIES = Path("../shared/data/gz2")
CLASSES = {"elliptical": "Elliptical", "spiral": "Spiral", "edge_on": "Edge-on", "merger": "Merger"}
CONFIG = Path("labeling_configs/everything.xml")
SIDE_PX, BATCH, PROJECT = 424, 10, 1
MOVED_EVERY, MOVED_PERCENT = 5, 1.5  # one outline in five is moved by 1.5 % of the image's width
METHODS = ("all fitted", "what can count")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a batch; `cpu_s` counts all threads of the process."""

    method: str
    batch: int
    name: str
    seconds: float
    cpu_s: float
    result: str


class Quiet(SimpleHTTPRequestHandler):
    """Serves images as Label Studio serves uploads, without a log."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main() -> None:
    """Measure, print and optionally write the tables."""
    parser = argparse.ArgumentParser(description="Measure where the time of a batch goes.")
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the table of docs/benchmarks.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="galaxyloop-batch-") as folder:
        uploads = Path(folder) / "data" / "upload" / str(PROJECT)
        classes = _write_images(uploads, count=options.images)
        with _serve(Path(folder)) as address:
            steps = list(_measure(address, Path(folder), classes, batches=options.batches))
    tables = [_steps_table(steps, classes), _ratio_table(steps)]
    for table in tables:
        print(table)
    if options.write:
        machine = f"One run on {machine_line()}, one computing thread; other work shared the machine, so compare CPU seconds."
        write_section("loop_batch", "\n\n".join([machine, *tables]))


def _steps_table(steps: Sequence[Step], classes: Mapping[str, str]) -> str:
    columns = ["method", "batch", "step", "seconds", "CPU seconds", "result"]
    rows = [
        [step.method, str(step.batch), step.name, f"{step.seconds:.1f}", f"{step.cpu_s:.1f}", step.result] for step in steps
    ]
    return markdown_table(columns, rows, title=f"Batches of {BATCH}, everything.xml, {len(classes)} galaxies of {SIDE_PX} px")


def _ratio_table(steps: Sequence[Step]) -> str:
    """Return the CPU seconds of whole batches with both methods, and their ratio."""
    rows = []
    for batch in sorted({step.batch for step in steps if step.batch}):
        before, now = (sum(step.cpu_s for step in steps if (step.method, step.batch) == (method, batch)) for method in METHODS)
        rows.append([str(batch), f"{before:.1f}", f"{now:.1f}", f"{before / now:.1f}"])
    columns = ["batch", f"{METHODS[0]}, CPU seconds", f"{METHODS[1]}, CPU seconds", "ratio"]
    return markdown_table(columns, rows, title="Whole batches")


def _measure(address: str, folder: Path, classes: Mapping[str, str], *, batches: int) -> Iterator[Step]:
    first = _services(address, folder / "first")
    project = first.registry.register_project(PROJECT, label_config=CONFIG.read_text(), extra_params=None)
    tasks = [PredictionTask(number, {"image": reference}) for number, reference in enumerate(classes, start=1)]
    predictions, step = _time("both", 0, "predict all, new images", partial(_predict, first, project, tasks), _count)
    yield step
    for method in METHODS:
        shutil.copytree(first.settings.data_dir, folder / method)  # copies the image cache; outlines are not cached
        with ExitStack() as undone:
            if method == METHODS[0]:
                undone.enter_context(patch("backend.loop.training.train.has_enough_masks", lambda *_: True))
                undone.enter_context(patch("backend.loop.training.refit.BY_EXTRACTION", None))
            yield from _batches(method, _services(address, folder / method), tasks, predictions, classes, batches=batches)


def _services(address: str, folder: Path) -> Services:
    services = Services(Settings(label_studio_url=address, label_studio_api_key="none", data_dir=folder))
    services.predictors.warm_up()
    return services


def _batches(
    method: str,
    services: Services,
    tasks: list[PredictionTask],
    predictions: dict[int, Prediction],
    classes: Mapping[str, str],
    *,
    batches: int,
) -> Iterator[Step]:
    project = services.registry.project(PROJECT)
    held_out = choose_held_out({task.id: task.data for task in tasks}, image_keys=["image"], share=0.2)
    annotated_tasks: list[PredictionTask] = []
    annotations: list[Annotation] = []
    for batch in range(1, batches + 1):
        new, tasks = tasks[:BATCH], tasks[BATCH:]
        annotated_tasks += new
        annotations += [_annotate(task, predictions[task.id], classes[task.data["image"]]) for task in new]
        snapshot = _divide(take_snapshot(annotations), held_out)
        number, step = _time(
            method,
            batch,
            "read and train",
            partial(train, services, project, snapshot, allow_none=False),
            lambda outcome: f"version {outcome}",
        )
        yield step
        version = services.registry.version(PROJECT, number)
        project_tasks = [Task(task.id, dict(task.data), True, 1, "") for task in annotated_tasks] + [
            Task(task.id, dict(task.data), False, 0, "") for task in tasks
        ]
        judge = partial(run_gate, services, project, version, snapshot, project_tasks=project_tasks)
        verdict, step = _time(method, batch, "gate", judge, lambda outcome: f"goes live: {outcome.goes_live}")
        yield step
        # The version is promoted with the heads that the gate selected, also if the gate rejected it.
        services.registry.promote(PROJECT, number, evidence=verdict.evidence, heads=verdict.heads)
        project = services.registry.project(PROJECT)
        predictions, step = _time(method, batch, "predict the other tasks", partial(_predict, services, project, tasks), _count)
        yield step


def _divide(snapshot: Snapshot, held_out: frozenset[int]) -> Snapshot:
    return replace(snapshot, sides=sides_of(snapshot.annotations, held_out=held_out, image_keys=["image"], contents={}))


def _time(method: str, batch: int, name: str, work: Callable[[], T], result: Callable[[T], str]) -> tuple[T, Step]:
    began, cpu = time.monotonic(), time.process_time()
    outcome = work()
    step = Step(method, batch, name, time.monotonic() - began, time.process_time() - cpu, result(outcome))
    print(step, flush=True)
    return outcome, step


def _predict(services: Services, project: Project, tasks: list[PredictionTask]) -> dict[int, Prediction]:
    predictor = services.predictors.of(project, label_config=project.label_config)
    return dict(zip((task.id for task in tasks), predictor.predict(tasks), strict=True))


def _count(predictions: Mapping[int, Prediction]) -> str:
    return f"{len(predictions)} tasks, {sum(len(prediction.result) for prediction in predictions.values())} regions"


def _annotate(task: PredictionTask, prediction: Prediction, name: str) -> Annotation:
    regions = annotated_regions(prediction.result, name, task=task.id)
    return Annotation(task.id, task.id, dict(task.data), regions, "2026-01-01T00:00:00Z", 1, False, None, 20.0)


def annotated_regions(predictions: Sequence[Mapping[str, Any]], name: str, *, task: int) -> list[dict[str, Any]]:
    """Return the prediction as an annotator submits it: with the right class and some outlines moved."""
    outlines = [dict(region) for region in predictions if region["type"] == "polygonlabels"]
    regions = [_move(region) if place % MOVED_EVERY == 0 else region for place, region in enumerate(outlines, start=task)]
    answer = {"id": "class", "type": "choices", "from_name": "morphology", "to_name": "image", "value": {"choices": [name]}}
    return [answer, *regions]


def _move(region: Mapping[str, Any]) -> dict[str, Any]:
    points = [[min(x + MOVED_PERCENT, 100.0), y] for x, y in region["value"]["points"]]
    return {**region, "value": {**region["value"], "points": points}}


def _write_images(folder: Path, *, count: int) -> dict[str, str]:
    """Copy images into the served folder; return their references and the class of each."""
    folder.mkdir(parents=True)
    galaxy_files = galaxies(folder.parent / "crops", count=count)
    for path in galaxy_files:
        (folder / path.name).write_bytes(path.read_bytes())
    return {f"/data/upload/{PROJECT}/{path.name}": name for path, name in galaxy_files.items()}


def galaxies(folder: Path, *, count: int) -> dict[Path, str]:
    """Return images and the class of each; without Galaxy Zoo 2, cut crops into `folder`."""
    if GALAXIES.exists():
        with (GALAXIES / "labels.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["clean_label"] in CLASSES]
        return {GALAXIES / row["file"]: CLASSES[row["clean_label"]] for row in rows[:: max(1, len(rows) // count)][:count]}
    crops = cut_crops(folder, count=count, side=SIDE_PX)
    brightness = np.array([np.asarray(Image.open(crop)).mean() for crop in crops])
    return dict(zip(crops, np.where(brightness > np.median(brightness), "Spiral", "Elliptical").tolist(), strict=True))


@contextmanager
def _serve(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


if __name__ == "__main__":
    main()
