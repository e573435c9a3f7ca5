"""Search of a survey for similar images: seconds and peak memory of `galaxyloop similar --survey` by number of images.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.ranking.survey FOLDER [--images 10_000_000] [--write]

FOLDER, which must not exist, gets parts as `galaxyloop survey` writes them (0.5 GB), and is deleted at
the end. `DISTINCT` parts hold random embeddings; the other parts are hard links to them. The search runs in a process of its
own. The baseline reads the same columns and does nothing with them.

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
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from backend.survey.columns import EMBEDDING, make_batch, make_schema
from backend.survey.similar import most_similar
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

__all__ = ["measure", "write_survey"]

PART, DISTINCT, DIMENSION = 2048, 100, 1280
LIMIT, CHOSEN = 100, 3
READ = "only reading the column"
SEARCH = "galaxyloop similar --survey"


def main() -> None:
    """Write the survey, measure the baseline and the search, and print the table."""
    parser = argparse.ArgumentParser(description="Search of a survey for similar images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md and benchmarks/results")
    parser.add_argument("--one", choices=(READ, SEARCH), help="measure an existing folder in this process")
    options = parser.parse_args()
    if options.one:
        sys.stdout.write(json.dumps(measure(options.folder, options.one)))
        return
    try:
        parts = write_survey(options.folder, options.images)
        rows = []
        for method in (READ, SEARCH):
            command = [sys.executable, "-m", "benchmarks.ranking.survey", str(options.folder), "--one", method]
            seconds, cpu_seconds, memory, base = json.loads(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout
            )
            images = f"{parts * PART:,}"
            rows.append([method, images, f"{seconds:.0f}", f"{cpu_seconds:.0f}", f"{memory:.0f}", f"{memory - base:.0f}"])
    finally:
        shutil.rmtree(options.folder, ignore_errors=True)
    table = markdown_table(
        ["method", "images", "seconds", "CPU seconds", "peak memory, MB", "above that of the libraries, MB"], rows
    )
    print(table)
    if options.write:
        write_section("ranking_survey", f"One run on {machine_line()}.\n\n{table}")
        write_numbers("ranking_survey", {"machine": machine_line(), "rows": rows})


def write_survey(folder: Path, images: int) -> int:
    """Write the parts of a survey with about this number of images; return the number of parts."""
    folder.mkdir()
    parts = -(-images // PART)
    run = {"encoder": fingerprint(SHIPPED_CHECKPOINT), "parts": parts, "images": parts * PART}
    (folder / "_run.json").write_text(json.dumps(run))
    schema, source = make_schema([], dimension=DIMENSION, run=run), np.random.default_rng(0)
    for number in range(parts):
        file = folder / f"part-{number:06d}.parquet"
        if number >= DISTINCT:
            os.link(folder / f"part-{number % DISTINCT:06d}.parquet", file)
            continue
        rows = [
            {"id": f"{number}/{row}.png", "width": 96, "height": 96, "version": "v0001", "score": 0.5} for row in range(PART)
        ]
        batch = make_batch(rows, [*source.standard_normal((PART, DIMENSION), np.float32)], schema)
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            writer.write_table(pa.Table.from_batches([batch], schema))
    return parts


def measure(folder: Path, method: str) -> tuple[float, float, float, float]:
    """Return seconds, CPU seconds, and the peak memory of this process after and before, MB."""
    chosen = np.random.default_rng(1).standard_normal((CHOSEN, DIMENSION), np.float32)
    before = _peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    if method == READ:
        for file in sorted(folder.glob("*.parquet")):
            pq.read_table(file, columns=["id", EMBEDDING])
    else:
        assert len(most_similar(folder, chosen, limit=LIMIT)) == LIMIT
    return time.perf_counter() - wall, time.process_time() - cpu, _peak_mb(), before


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
