"""The simulation against the real system: twenty batches through a real Label Studio, server and worker.

Run: .venv/bin/python -m benchmarks.human_in_the_loop.system DATA [--batches 20] [--write]     (20 minutes on 2 idle cores)

A simulated annotator takes the task that Label Studio serves next (uncertainty sampling), submits the set's label, and waits
for the worker after each batch. The head of the live version is then measured on other galaxies. The simulation runs with the
same galaxies, embeddings, batch size and strategy. The labels have names that the shipped head does not know, so both start
without it; no task is held out (`audit` is 0), so all answers are used for training.

What differs. The system's gate may keep an earlier version live; the simulation has no gate. The system ranks several batches
ahead, and serves them until the next version is live.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import roc_auc_score

from backend.active.ranking import DEFAULT_STRATEGY
from backend.heads.classification.morphology import Morphology
from backend.prediction.factory import read_config
from backend.prediction.image_features import ImageFeatures
from benchmarks.human_in_the_loop.sets import SETS, Galaxies
from benchmarks.human_in_the_loop.simulation import BATCH, Setting, simulate
from benchmarks.loop.fixture import ASK_EVERY_S, LabelStudioFixture, open_fixture
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.label_studio.projects import UNCERTAINTY_SAMPLING, create_project, upload_images
from sync.label_studio.tasks import read_tasks

POOL, MEASURED = 600, 400
SEEDS = 5
KIND = SETS["gz1"]
NAMES = tuple(f"type {letter}" for letter in "ABCD")
"""Names of the classes in the project: the shipped head predicts none of them."""
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="kind" toName="image" choice="single" required="true">'
    + "".join(f'<Choice value="{name}"/>' for name in NAMES)
    + "</Choices></View>"
)


def main() -> None:
    """Annotate through Label Studio, simulate the same, and print both curves."""
    parser = argparse.ArgumentParser(description="The simulation against the real system.")
    parser.add_argument("data", type=Path, help="folder that holds gz1/")
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="galaxyloop-bench-") as folder,
        open_fixture(Path(folder), crops=1, console=console) as fixture,
    ):
        galaxies, project, classes = _prepare(fixture, *_choose(options.data), console)
        live, seconds = _annotate(fixture, project, galaxies, classes, options.batches, console)
    labels = options.batches * BATCH
    simulated_runs = {
        strategy: np.mean(
            [simulate(galaxies, Setting("gz1", strategy, 0.0, seed), labels=labels, pool_share=1).auc for seed in range(SEEDS)],
            axis=0,
        )
        for strategy in ("random", DEFAULT_STRATEGY)
    }
    rows = [
        [
            str((batch + 1) * BATCH),
            f"{live[batch]:.3f}",
            *(f"{curve[batch]:.3f}" for curve in simulated_runs.values()),
            f"{seconds[batch]:.0f}",
        ]
        for batch in range(options.batches)
    ]
    columns = [
        "labels",
        "system, live version",
        *(f"simulation, {name}, mean of {SEEDS}" for name in simulated_runs),
        "batch to predictions, s",
    ]
    table = markdown_table(columns, rows, title="Macro AUC on gz1, val part")
    console.print(table, markup=False)
    if options.write:
        write_section("human_in_the_loop_system", f"One run on {machine_line()}.\n\n{table}")
        numbers = {name: curve.tolist() for name, curve in simulated_runs.items()}
        write_numbers("human_in_the_loop_system", {"machine": machine_line(), "system": live, "seconds": seconds} | numbers)


def _choose(data: Path) -> tuple[list[tuple[Path, int]], list[tuple[Path, int]]]:
    """Return files and classes of the pool and of the galaxies to measure on, drawn at random."""
    with (data / KIND.name / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row[KIND.column] in KIND.classes]
    generator = np.random.default_rng(0)
    rows_of_part = []
    for part, count in (("train", POOL), ("val", MEASURED)):
        own = [row for row in rows if row["split"] == part]
        sample = generator.choice(len(own), min(count, len(own)), replace=False).tolist()
        rows_of_part.append(
            [(data / KIND.name / own[place]["file"], KIND.classes.index(own[place][KIND.column])) for place in sample]
        )
    return rows_of_part[0], rows_of_part[1]


def _prepare(
    fixture: LabelStudioFixture,
    pool: Sequence[tuple[Path, int]],
    test_files: Sequence[tuple[Path, int]],
    console: Console,
) -> tuple[Galaxies, int, dict[int, int]]:
    """Upload all galaxies and embed them; return them, the project of the pool, and the class of each of its tasks."""
    client = fixture.client
    projects = [create_project(client, name, CONFIG) for name in ("pool", "measured")]
    extractor = fixture.services.predictors.on(fixture.services.encoders.shipped_name).extractor  # as for trained heads
    embeddings, labels = [], []
    classes_of_tasks: dict[int, int] = {}
    for project, galaxies in zip(projects, (pool, test_files), strict=True):
        with console.status(f"uploading and embedding {len(galaxies)} galaxies"):
            upload_images(client, project, [file for file, _ in galaxies])
            tasks = read_tasks(client, project)
            label_by_name = {file.name: label for file, label in galaxies}
            own = [label_by_name[str(task.data["image"]).partition("-")[2]] for task in tasks]
            features = extractor.extract_features([str(task.data["image"]) for task in tasks], embed=True)
        embeddings.append(
            np.stack(
                [
                    features_of_image.embedding
                    for features_of_image in features
                    if isinstance(features_of_image, ImageFeatures) and features_of_image.embedding is not None
                ]
            )
        )
        labels.append(np.array(own))
        if project == projects[0]:
            classes_of_tasks = {task.id: label for task, label in zip(tasks, own, strict=True)}
    galaxies_of_both = Galaxies("system", embeddings[0], labels[0], embeddings[1], labels[1], KIND.classes)
    return galaxies_of_both, projects[0], classes_of_tasks


def _annotate(
    fixture: LabelStudioFixture, project: int, galaxies: Galaxies, classes: dict[int, int], batches: int, console: Console
) -> tuple[list[float], list[float]]:
    """Submit batches in the order in which Label Studio serves tasks; return AUC and seconds of each."""
    client = fixture.client
    client.send("PATCH", f"/api/projects/{project}/", json={"sampling": UNCERTAINTY_SAMPLING}, repeatable=True)
    fixture.services.registry.register_project(project, label_config=CONFIG, extra_params={"audit": 0, "batch": BATCH})
    fixture.attach(project)
    fixture.services.mark([project])
    fixture.wait_until(lambda: fixture.is_published(project), "the first predictions", every_s=ASK_EVERY_S)
    fixture.rest()
    auc, seconds = [], []
    for batch in range(batches):
        for _ in range(BATCH):
            task = client.get(f"/api/projects/{project}/next")["id"]
            choice = {"choices": [NAMES[classes[task]]]}
            result = [{"from_name": "kind", "to_name": "image", "type": "choices", "value": choice}]
            client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": result})
        began, count = time.monotonic(), len(fixture.services.registry.versions(project))
        fixture.rest()
        fixture.wait_until(lambda: fixture.is_published(project), "the predictions", every_s=ASK_EVERY_S)
        seconds.append(time.monotonic() - began)
        auc.append(_auc(fixture, project, galaxies))
        version_count = len(fixture.services.registry.versions(project)) - count
        console.print(
            f"{(batch + 1) * BATCH} labels: AUC {auc[-1]:.3f}, {version_count} new version, {seconds[-1]:.0f} s",
            highlight=False,
        )
    return auc, seconds


def _auc(fixture: LabelStudioFixture, project: int, galaxies: Galaxies) -> float:
    """Return the macro AUC of the live version's head on the measured galaxies; 0.5 if it has none."""
    record = fixture.find_project(project)
    heads = fixture.services.predictors.heads_of(project, record.live_version, read_config(record.label_config))
    head = heads.by_control.get("kind")
    if not isinstance(head, Morphology):
        return 0.5
    columns = [head.classes.index(name) for name in NAMES]
    probabilities: NDArray[np.float32] = head.predict(galaxies.measured_features)[:, columns]
    one_hot = np.eye(len(NAMES))[galaxies.measured_labels]
    return float(np.mean([roc_auc_score(one_hot[:, place], probabilities[:, place]) for place in range(len(NAMES))]))


if __name__ == "__main__":
    main()
