"""Ranking of a queue: seconds and memory by query strategy and number of open tasks, with random order as the baseline.

Run: .venv/bin/python -m benchmarks.ranking.run [--quick]

Each strategy is a process of its own, which ranks the embeddings as the worker does after a version has gone live: principal
axes, probabilities and mutual information of a head that was trained on 200 labels, and a front of 50 tasks. It prints a table
and writes benchmarks/results/ranking.json and the table of docs/benchmarks.md. All rows take 15 minutes on a busy machine.

Limitations. Embeddings are random points around 40 centres. They are in the temporary file that the worker makes: filling it
from the cache takes about 0.1 ms per task, once for each front. Scores in Label Studio take about 0.1 s per task of the front.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.console import Console

from backend.active.pool import Pool
from backend.active.ranking import STRATEGIES, select_batch
from backend.active.row_file import RowFile
from backend.active.similarity import similarity_to
from backend.heads.classification.morphology import Morphology
from backend.loop.queue.front import front_length
from backend.loop.queue.pool import build_pool
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import ClassModel
from backend.prediction.factory import BASE_MORPHOLOGY
from backend.prediction.task_embeddings import TaskEmbeddings
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.labelling.config import parse

SIZES = (1_000, 10_000, 100_000)
LABELS = 200
CENTRES = 40
SIMILAR = "similar"
"""Order by similarity to three galaxies, as `galaxyloop similar` requests it."""
CONFIG = """<View><Image name="image" value="$image"/><Choices name="kind" toName="image">
<Choice value="Ring"/><Choice value="Shell"/><Choice value="Neither"/></Choices></View>"""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Time of one ranking, the largest resident memory of its process, and how much of that the libraries do not take."""

    strategy: str
    tasks: int
    seconds: float
    cpu_seconds: float
    memory_mb: float
    added_mb: float


def main() -> None:
    """Measure each strategy and size in a process of its own, print and write the table."""
    parser = argparse.ArgumentParser(description="Rank queues of 1,000 to 100,000 tasks.")
    parser.add_argument("--quick", action="store_true", help="the smallest size only; writes nothing")
    parser.add_argument("--one", nargs="+", metavar=("STRATEGY", "TASKS"), help="a strategy's rows as JSON, in this process")
    arguments = parser.parse_args()
    console = Console()
    if arguments.one:
        strategy, *sizes = arguments.one
        sys.stdout.write(json.dumps([asdict(measure(strategy, int(tasks))) for tasks in sizes]))
        return
    sizes = SIZES[:1] if arguments.quick else SIZES  # ascending, because the peak of a process never falls
    strategies = ["random", *(name for name in STRATEGIES if name != "random"), SIMILAR]
    rows = [row for strategy in strategies for row in measure_apart(strategy, sizes)]
    cells = [[row.strategy, f"{row.tasks:,}", f"{row.seconds:.2f}", f"{row.cpu_seconds:.2f}", *_megabytes(row)] for row in rows]
    table = markdown_table(
        ["strategy", "tasks", "seconds", "CPU seconds", "peak memory, MB", "above that of the libraries, MB"], cells
    )
    machine = machine_line()
    console.print(table)
    console.print(machine)
    if not arguments.quick:
        write_numbers("ranking", {"machine": machine, "rows": [asdict(row) for row in rows]})
        write_section("ranking", f"One run on {machine}.\n\n{table}")


def _megabytes(row: Measurement) -> list[str]:
    return [f"{row.memory_mb:.0f}", f"{row.added_mb:.0f}"]


def measure_apart(strategy: str, sizes: Sequence[int]) -> list[Measurement]:
    """Measure the rows of a strategy in a new process."""
    command = [sys.executable, "-m", "benchmarks.ranking.run", "--one", strategy, *map(str, sizes)]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    return [Measurement(**row) for row in json.loads(process.stdout)]


def measure(strategy: str, tasks: int) -> Measurement:
    """Rank embeddings; time does not include making them and training the head."""
    source = np.random.default_rng(0)
    base = Morphology.load(BASE_MORPHOLOGY)
    dimension = len(base.mean)
    centres = source.normal(0, 1, (CENTRES, dimension)).astype(np.float32)
    candidates = make_embeddings(tasks, centres, source)
    labelled_rows = make_embeddings(LABELS, centres, source)
    targets = np.eye(3)[source.integers(0, 3, LABELS)]
    (control,) = parse(CONFIG).controls
    classes = [label.value for label in control.labels]
    head = Morphology.fit(labelled_rows.rows[:].astype(np.float32), targets, classes=classes, exclusive=True)
    model = ClassModel(control, head, BaseClassifier.alone(base))
    wall, cpu = time.perf_counter(), time.process_time()
    pool = build_pool(model, candidates, labelled_rows, scores={})
    choice = select(pool, strategy, source)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert len(choice) == front_length(10)
    peak = peak_memory_mb()
    return Measurement(strategy, tasks, wall, cpu, peak, peak - LIBRARIES_MB)


def peak_memory_mb() -> float:
    """Return the largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def select(pool: Pool, strategy: str, source: np.random.Generator) -> np.ndarray:
    """Return the indices of the front."""
    if strategy == SIMILAR:
        return np.argsort(-similarity_to(pool.features, pool.labelled_features[:3]))[: front_length(10)]
    pool_with_ratings = replace(pool, ratings=source.integers(1, 6, LABELS).astype(np.float32))
    return select_batch(pool_with_ratings, strategy, front_length(10), source=source)


def make_embeddings(count: int, centres: np.ndarray, source: np.random.Generator) -> TaskEmbeddings:
    """Return random embeddings around the centres."""
    rows = RowFile(centres.shape[1])
    for start in range(0, count, 1_000):
        middle = centres[source.integers(0, len(centres), min(1_000, count - start))]
        rows.append(middle + source.standard_normal(middle.shape, np.float32))
    return TaskEmbeddings(np.arange(count), rows)


LIBRARIES_MB = peak_memory_mb()
"""Memory after the imports: PyTorch and others, which the worker holds anyway."""

if __name__ == "__main__":
    main()
