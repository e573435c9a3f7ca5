"""Seconds and peak memory of exporting 1,000 and 10,000 annotated tasks in every format, against Label Studio's own converter.

Run: .venv/bin/python -m benchmarks.export.run [--quick]     (half an hour on 2 idle cores)

The tasks (tasks.py) are stored in a file as Label Studio's API lists them, so the time of Label Studio's API is not included:
about two seconds per 1,000 tasks, and more with large masks. Each method runs in its own process (measure.py); its peak memory
includes Python and all libraries. The table gives wall-clock seconds and CPU seconds, because the machine is shared. Label
Studio's converter (label_studio_sdk.converter) is run on the same tasks for the formats that both programs write.
Writes a table into docs/benchmarks.md and benchmarks/results/export.json.

Limitations. The converter copies no images here, while galaxyloop's COCO and YOLO exports include them; and it writes no
provenance, no brush masks and no splits: its objects are fewer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.export.measure import OURS, THEIRS
from benchmarks.export.tasks import write_tasks
from benchmarks.report import ROOT, machine_line, markdown_table, write_numbers, write_section

MEASURE_MODULE = "benchmarks.export.measure"
COUNTS = (1000, 10_000)
FORMATS = ("json", "coco", "yolo", "parquet", "fits", "ecsv", "votable", "fits-table", "ds9")
COMMON = ("json", "coco", "yolo")
VOTED = ("coco", "dawid-skene", "0.8,0.1,0.1")
"""A method with consensus and splits, which decode every mask once more."""

COLUMNS = ["format", "program", "tasks", "seconds", "CPU seconds", "peak memory, MB", "output, MB", "objects"]

Numbers = dict[str, Any]


def main() -> None:
    """Measure each method, print and write the table."""
    parser = argparse.ArgumentParser(description="Measure exports against Label Studio's converter.")
    parser.add_argument("--quick", action="store_true", help="100 tasks, to try it; writes nothing")
    quick = parser.parse_args().quick
    console = Console()
    machine = f"{machine_line()}; load average {os.getloadavg()[0]:.1f} before"
    numbers: list[Numbers] = []
    for count in (100,) if quick else COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            write_tasks(Path(folder), count)
            methods = [(OURS, name, "latest", "") for name in FORMATS] + [(OURS, *VOTED)]
            methods += [(THEIRS, name, "", "") for name in COMMON]
            for method in methods:
                with console.status(f"{count} tasks, {' '.join(method)}"):
                    numbers.append(measure(method, Path(folder), count))
                console.print(numbers[-1], highlight=False)
    table = markdown_table(COLUMNS, [table_row(run) for run in numbers])
    console.print(table, markup=False)
    if not quick:
        write_numbers("export", {"machine": machine, "measured": numbers})
        write_section("export", f"One run on {machine}.\n\n{table}")


def measure(method: tuple[str, ...], folder: Path, count: int) -> Numbers:
    """Run one method (exporter, format, consensus, split) in its own process and return its numbers."""
    exporter, name, consensus, split = method
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable,
            "-m",
            MEASURE_MODULE,
            exporter,
            name,
            str(folder),
            str(Path(out) / "export"),
            consensus,
            split,
        ]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        process = subprocess.run(command, capture_output=True, check=False, env=environment)
    numbers: Numbers = {"exporter": exporter, "format": name, "consensus": consensus, "split": split, "tasks": count}
    if process.returncode:
        return numbers | {"failed": process.stderr.decode(errors="replace").strip().splitlines()[-1]}
    return numbers | json.loads(process.stdout.splitlines()[-1])


def table_row(run: Numbers) -> list[str]:
    """Return one method as a row of the table."""
    name = f"{run['format']}, {run['consensus']}, split" if run["split"] else run["format"]
    head = [name, run["exporter"], f"{run['tasks']:,}"]
    if "failed" in run:
        return [*head, "failed", "", "", "", ""]
    objects = "" if run["objects"] is None else f"{run['objects']:,}"
    figures = [f"{run['seconds']:.1f}", f"{run['cpu_seconds']:.1f}", f"{run['peak_mb']:.0f}", f"{run['output_mb']:.0f}"]
    return [*head, *figures, objects]


if __name__ == "__main__":
    main()
