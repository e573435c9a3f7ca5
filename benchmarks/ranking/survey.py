"""Search of a survey for similar images: seconds and peak memory of `galaxyloop similar --survey` by number of images.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.ranking.survey FOLDER [--images 100_000 1_000_000 10_000_000] [--write]

FOLDER, which must not exist, gets parts as `galaxyloop survey` writes them (0.5 GB), and is deleted at the end. `DISTINCT` of
them hold random embeddings; the parts of each survey are hard links to them. Each search runs in a process of its own. The
baseline reads the same columns of the second survey and does nothing with them.

How the cost grows. Linearly with the number of images in time; memory does not grow with it.

What it does not show. Reading from a slow disk: the distinct parts fit into the memory of the machine. The task's embedding,
which the command gets from Label Studio and the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from backend.survey.columns import EMBEDDING, WRITE_OPTIONS, make_batch, make_schema
from backend.survey.similar import most_similar
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

__all__ = ["link_survey", "measure", "write_parts"]

PART, DISTINCT, DIMENSION = 2048, 100, 1280
LIMIT, CHOSEN = 100, 3
READ = "only reading the column"
SEARCH = "galaxyloop similar --survey"


def main() -> None:
    """Write the surveys, measure the searches and the baseline, and print the table."""
    parser = argparse.ArgumentParser(description="Search of a survey for similar images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/results")
    parser.add_argument("--one", choices=(READ, SEARCH), help="measure an existing survey in this process")
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(measure(options.folder, options.one)))
        return
    options.folder.mkdir()
    rows = []
    try:
        distinct = write_parts(options.folder / "distinct")
        surveys = [link_survey(options.folder / str(images), distinct, images) for images in options.images]
        for method, survey in [(READ, surveys[:2][-1]), *((SEARCH, survey) for survey in surveys)]:
            command = [sys.executable, "-m", "benchmarks.ranking.survey", str(survey), "--one", method]
            process = subprocess.run(command, check=True, capture_output=True, text=True)
            images, seconds, cpu_seconds, memory, base = json.loads(process.stdout)
            numbers = [f"{images:,}", f"{seconds:.1f}", f"{cpu_seconds:.1f}", f"{memory:.0f}", f"{memory - base:.0f}"]
            rows.append([method, *numbers])
            print(rows[-1], flush=True)
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    columns = ["method", "images", "seconds", "CPU seconds", "peak memory, MB", "above that of the libraries, MB"]
    table = markdown_table(columns, rows)
    print(table)
    if options.write:
        write_section("ranking_survey", f"One run on {machine_line()}.\n\n{table}")
        write_numbers("ranking_survey", {"machine": machine_line(), "rows": rows})


def write_parts(folder: Path) -> list[Path]:
    """Write `DISTINCT` parts with random embeddings into a new folder."""
    folder.mkdir()
    schema, source = make_schema([], dimension=DIMENSION, run={}), np.random.default_rng(0)
    for number in range(DISTINCT):
        rows = [
            {"id": f"{number}/{row}.png", "width": 96, "height": 96, "version": "v0001", "score": 0.5} for row in range(PART)
        ]
        batch = make_batch(rows, [*source.standard_normal((PART, DIMENSION), np.float32)], schema)
        with pq.ParquetWriter(folder / f"part-{number:06d}.parquet", schema, **WRITE_OPTIONS) as writer:
            writer.write_table(pa.Table.from_batches([batch], schema))
    return sorted(folder.glob("*.parquet"))


def link_survey(folder: Path, distinct: Sequence[Path], images: int) -> Path:
    """Make a survey of about this number of images, whose parts are hard links; return its folder."""
    folder.mkdir()
    parts = -(-images // PART)
    run = {"encoder": fingerprint(SHIPPED_CHECKPOINT), "parts": parts, "images": parts * PART}
    (folder / "_run.json").write_text(json.dumps(run))
    for number in range(parts):
        os.link(distinct[number % len(distinct)], folder / f"part-{number:06d}.parquet")
    return folder


def measure(folder: Path, method: str) -> tuple[int, float, float, float, float]:
    """Return the number of images, seconds, CPU seconds, and the peak memory of this process after and before, MB."""
    query_rows = np.random.default_rng(1).standard_normal((CHOSEN, DIMENSION), np.float32)
    before = _peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    if method == READ:
        for file in sorted(folder.glob("*.parquet")):
            pq.read_table(file, columns=["id", EMBEDDING])
    else:
        assert len(most_similar(folder, query_rows, limit=LIMIT)) == LIMIT
    images = json.loads((folder / "_run.json").read_text())["images"]
    return images, time.perf_counter() - wall, time.process_time() - cpu, _peak_mb(), before


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
