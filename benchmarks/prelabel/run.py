"""Pre-labelling rate, in images per second: in one process, on Ray with one and two workers, and by Label Studio's own action.

Run: .venv/bin/python -m benchmarks.prelabel.run [--quick]     (a quarter of an hour on 2 idle cores)

A fresh Label Studio and the server run on this machine (loop/fixture.py). All methods of a size work alternately on one
project, without cached images (methods.py), in one run. `galaxyloop survey` reads the same crops and writes Parquet. Every
command starts a process and loads the model; the action does not, because the server has loaded it. So the tables give two
rates: over the whole command, and after the start, which is the additional images divided by the additional seconds between the
smallest and the largest size. Writes tables into docs/benchmarks.md and benchmarks/results/prelabel.json.

How the cost grows. Linearly with the images: each is fetched, decoded, embedded and stored once. In Label Studio, the recount
of the project at each import grows with the project, and imports are doubled in size until 5,000.

Limitations. Label Studio uses SQLite and the same two cores as the workers of Ray, which therefore cannot be twice as fast;
there is no network between them. The crops are small (124 px), overlap, and repeat if there are more tasks than crops.
One process computes with all cores' threads, a worker of Ray with one, and the server, which answers the action, with half of
them, as each does by default. The action is one request: if the backend takes more than 100 s, Label Studio stores nothing and
reports no error; the column of stored predictions would show this.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.loop.fixture import cut_crops, open_fixture
from benchmarks.prelabel.methods import Measured, measure_projects, measure_surveys, open_ray
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

CROPS = 1000
WORKERS = (1, 2)
COLUMNS = ["method", "workers", "config", "images", "seconds", "images/s", "stored"]
GROWTH = ["method", "workers", "config", "images/s after start-up", "start-up, s"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of images of each config, and number of rounds."""

    images: dict[str, tuple[int, ...]]
    rounds: int


FULL = Sizes({"morphology": (250, 1000), "everything": (100,)}, 2)
QUICK = Sizes({"morphology": (60, 120)}, 1)


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description="Measure pre-labelling here, on Ray, and by Label Studio's own action.")
    parser.add_argument("--quick", action="store_true", help="small projects, once, to try it; writes nothing")
    quick = parser.parse_args().quick
    console = Console()
    machine = f"{machine_line()}; load average {os.getloadavg()[0]:.1f} before"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    measurements: list[Measured] = []
    for result in _measure(QUICK if quick else FULL, console):
        console.print(result, highlight=False)
        measurements.append(result)
    tables = [
        markdown_table(COLUMNS, _rows(measurements)),
        markdown_table(GROWTH, _growth(measurements), title="Rate after start-up"),
    ]
    console.print(*tables, sep="\n\n", markup=False)
    if not quick:
        write_numbers("prelabel", {"machine": machine, "measured": [asdict(result) for result in measurements]})
        write_section("prelabel", "\n\n".join([f"One run on {machine}.", *tables]))


def _measure(sizes: Sizes, console: Console) -> Iterator[Measured]:
    crops = min(CROPS, max(max(counts) for counts in sizes.images.values()))
    with tempfile.TemporaryDirectory(prefix="galaxyloop-bench-") as folder, ExitStack() as stack:
        fixture = stack.enter_context(open_fixture(Path(folder), crops=crops, console=console))
        next(child for child in fixture.children if child.name == "worker").stop()
        clusters = {count: stack.enter_context(open_ray(count)) for count in WORKERS}
        files = cut_crops(Path(folder) / "files", count=crops)
        for config, counts in sizes.images.items():
            for count in counts:
                with console.status(f"{count} images, {config}"):
                    yield from measure_projects(fixture, config, tasks=count, clusters=clusters, rounds=sizes.rounds)
                    yield from measure_surveys(fixture, config, files, images=count, clusters=clusters, rounds=sizes.rounds)


Key = tuple[str, int | None, str]


def _methods(measurements: Sequence[Measured]) -> dict[Key, dict[int, list[Measured]]]:
    """Return the runs of each method and config, by size."""
    methods: dict[Key, dict[int, list[Measured]]] = {}
    for result in measurements:
        methods.setdefault((result.method, result.workers, result.config), {}).setdefault(result.images, []).append(result)
    return methods


def _rows(measurements: Sequence[Measured]) -> list[list[str]]:
    return [
        [
            *_name_method(key),
            f"{images:,}",
            _spread([result.seconds for result in runs]),
            _spread([result.images / result.seconds for result in runs]),
            f"{min(result.stored for result in runs):,}",
        ]
        for key, sizes in _methods(measurements).items()
        for images, runs in sizes.items()
    ]


def _growth(measurements: Sequence[Measured]) -> list[list[str]]:
    rows = []
    for key, sizes in _methods(measurements).items():
        if len(sizes) < 2:
            continue
        seconds = {images: median(run.seconds for run in runs) for images, runs in sizes.items()}
        few, many = min(seconds), max(seconds)
        further = seconds[many] - seconds[few]
        rate = (many - few) / further if further > 0 else float("inf")
        rows.append([*_name_method(key), f"{rate:.3g}", f"{seconds[few] - few / rate:.1f}"])
    return rows


def _name_method(key: Key) -> list[str]:
    method, workers, config = key
    return [method, "" if workers is None else str(workers), config]


def _spread(numbers: Sequence[float]) -> str:
    """Return the median, and the range if there are several values."""
    return f"{median(numbers):.3g}" + (f" ({min(numbers):.3g}-{max(numbers):.3g})" if len(numbers) > 1 else "")


if __name__ == "__main__":
    main()
