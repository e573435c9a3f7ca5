"""Loop benchmark: acknowledgement of webhooks, pre-labelling, and the time from a batch to new predictions, in one run.

Run: make bench   (or .venv/bin/python -m benchmarks.loop.run [--quick])

It starts a fresh Label Studio, the server and the worker with their default settings, prints three tables, and writes
benchmarks/results/loop.json and the tables of docs/benchmarks.md. It stops all processes at the end.

How the cost grows. An acknowledgement is one small write, shared by the events that wait for it. Pre-labelling and the time
from a batch to *all* new predictions grow with the open tasks, because each of them gets a new prediction, and Label Studio's
own storing takes most of that time. The time to the *first* new predictions consists of the quiet time, reading what has
changed, training on all annotations so far, the gate, and one chunk of 200: it grows with the annotations, and with the project
only by listing it.

Limitations. Label Studio uses SQLite and the same cores as all other processes, client included: with PostgreSQL and separate
machines both sides get faster, and the ratio may change. The crops are small (124 px) and overlap; large images cost more on
their first use and the same afterwards. With more tasks than crops a crop has several tasks, so the cache holds fewer images
than tasks. The annotations follow a rule (bright or not) and do not measure how well a model is trained. label-studio-ml runs
an empty model and gets few events at the same time, which favours it: it starts a process for every event, and a real model's
process is large.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.loop.bulk import Prelabelling, Turnaround, measure_prelabelling, measure_turnaround
from benchmarks.loop.fixture import LabelStudioFixture, open_fixture
from benchmarks.loop.webhooks import AT_ONCE, LABEL_STUDIO_ML, Acknowledgement, an_event, measure_alternative, measure_ours
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

CONFIGS = ("morphology.xml", "everything.xml")
CROPS = 1000


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of tasks, projects and rounds of a run."""

    prelabelled_tasks: int
    prelabelling_rounds: int
    projects: tuple[int, ...]
    batches: int
    webhook_rounds: int


FULL = Sizes(1000, 2, (100, 1000, 5000), 2, 10)
QUICK = Sizes(100, 1, (100, 300), 2, 4)


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description="Measure the loop against a real Label Studio.")
    parser.add_argument("--quick", action="store_true", help="small projects and few rounds, to try it; writes nothing")
    quick = parser.parse_args().quick
    sizes = QUICK if quick else FULL
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="galaxyloop-bench-") as folder:
            crops = min(CROPS, max(sizes.prelabelled_tasks, *sizes.projects))
            with open_fixture(Path(folder), crops=crops, console=console) as fixture:
                measurements = _measure(fixture, Path(folder), sizes, console)
    except KeyboardInterrupt:
        console.print("interrupted; every process has ended")
        raise SystemExit(130) from None
    machine = machine_line()
    console.print(f"{machine}; {time.monotonic() - began:.0f} s")
    if not quick:
        _write(machine, *measurements)


Measured = tuple[list[Prelabelling], list[Acknowledgement], list[Turnaround]]


def _measure(fixture: LabelStudioFixture, folder: Path, sizes: Sizes, console: Console) -> Measured:
    prelabellings: list[Prelabelling] = []
    acknowledgements: list[Acknowledgement] = []
    turnarounds: list[Turnaround] = []
    for config in CONFIGS:
        with console.status(f"pre-labelling {sizes.prelabelled_tasks} tasks, {config}"):
            prelabellings.append(
                measure_prelabelling(fixture, config, tasks=sizes.prelabelled_tasks, rounds=sizes.prelabelling_rounds)
            )
    _print(console, *_prelabelling_table(prelabellings))
    with console.status("webhooks"):
        project = fixture.services.registry.projects()[-1].id
        body = an_event(fixture, project)
        acknowledgements += measure_ours(fixture, body, project=project, rounds=sizes.webhook_rounds)
        if LABEL_STUDIO_ML.exists():
            acknowledgements.append(measure_alternative(folder / "label-studio-ml", body))
        else:
            console.print(f"label-studio-ml is left out: there is no {LABEL_STUDIO_ML}; `make setup` makes it")
    _print(console, *_acknowledgement_table(acknowledgements))
    for config in CONFIGS:
        for tasks in sizes.projects:
            with console.status(f"batches in a project of {tasks} tasks, {config}"):
                turnarounds += measure_turnaround(fixture, config, tasks=tasks, batches=sizes.batches)
    _print(console, *_turnaround_table(turnarounds))
    return prelabellings, acknowledgements, turnarounds


Cells = tuple[str, list[str], list[list[str]]]


def _prelabelling_table(measurements: Sequence[Prelabelling]) -> Cells:
    columns = ["config", "tasks", "new images, s", "cached images, s", "Retrieve Predictions, s", "speed-up, cached"]
    rows = [
        [
            result.config,
            str(result.tasks),
            f"{result.cold_s:.1f}",
            _spread(result.warm_s),
            _spread(result.retrieve_s),
            f"{result.ratio:.1f}",
        ]
        for result in measurements
    ]
    return (
        "Pre-labelling, compared with Label Studio's Retrieve Predictions action on the same server and version",
        columns,
        rows,
    )


def _acknowledgement_table(measurements: Sequence[Acknowledgement]) -> Cells:
    columns = ["server", "load", "events", "body, kB", "p50, ms", "p99, ms", "not acknowledged in 1 s"]
    rows = [
        [
            result.server,
            result.meanwhile,
            str(result.events),
            f"{result.body_bytes / 1000:.0f}",
            f"{result.percentile(50):.0f}",
            f"{result.percentile(99):.0f}",
            str(result.lost),
        ]
        for result in measurements
    ]
    return f"Acknowledgement of webhooks, {AT_ONCE} events at once", columns, rows


def _turnaround_table(measurements: Sequence[Turnaround]) -> Cells:
    columns = ["config", "tasks", "new version live, s", "first predictions, s", "all predictions, s", "rejected"]
    rows = []
    for config, tasks in dict.fromkeys((result.config, result.tasks) for result in measurements):
        batches = [result for result in measurements if (result.config, result.tasks) == (config, tasks)]
        first = [result.first_s for result in batches if result.first_s is not None]
        all_ = [result.all_s for result in batches if result.all_s is not None]
        live = _spread([result.live_s for result in batches])
        rejected_share = f"{len(batches) - len(all_)} of {len(batches)}"
        rows.append([config, str(tasks), live, _spread(first), _spread(all_), rejected_share])
    return "Time from the last submission of a batch of 10 to the new version's predictions", columns, rows


def _spread(seconds: Sequence[float]) -> str:
    """Return the median, and the range if there are several values."""
    if not seconds:
        return ""
    return f"{median(seconds):.1f}" + (f" ({min(seconds):.1f}-{max(seconds):.1f})" if len(seconds) > 1 else "")


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _write(
    machine: str, prelabellings: list[Prelabelling], acknowledgements: list[Acknowledgement], turnarounds: list[Turnaround]
) -> None:
    """Write the numbers as JSON, and as tables between the markers of the page."""
    numbers = {
        "machine": machine,
        "prelabelling": [asdict(result) for result in prelabellings],
        "acknowledgement": [asdict(result) for result in acknowledgements],
        "turnaround": [asdict(result) for result in turnarounds],
    }
    write_numbers("loop", numbers)
    tables = (
        _acknowledgement_table(acknowledgements),
        _prelabelling_table(prelabellings),
        _turnaround_table(turnarounds),
    )
    tables_text = [markdown_table(columns, rows, title=title) for title, columns, rows in tables]
    write_section("loop", "\n\n".join([f"One run on {machine}.", *tables_text]))


if __name__ == "__main__":
    main()
