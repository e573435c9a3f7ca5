"""Seconds and peak memory of exporting one frame of 4,000 pixels a side with 2,000 boxes and 2,000 outlines.

Run: .venv/bin/python -m benchmarks.export.frame     (six minutes on 2 idle cores)

The frame is one task (tasks.py), and each method runs in its own process (measure.py), as in run.py. COCO and Parquet are also
run with masks that pycocotools encodes on the whole image, the usual way, and COCO and YOLO with Label Studio's converter.
Writes a table into docs/benchmarks.md and benchmarks/results/export_frame.json.

Limitations. Outlines are polygons; brush masks of a frame of this size are run-length encodings of 16 million pixels each,
which are decoded one by one. Label Studio's converter copies no image and keeps polygons as corners.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.export.measure import OURS, THEIRS, WHOLE
from benchmarks.export.run import COLUMNS, measure, table_row
from benchmarks.export.tasks import write_frame
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

METHODS = (
    *((OURS, name) for name in ("coco", "yolo", "parquet", "fits", "ecsv", "fits-table", "ds9", "json")),
    *((WHOLE, name) for name in ("coco", "parquet")),
    *((THEIRS, name) for name in ("coco", "yolo")),
)


def main() -> None:
    """Measure each method, print and write the table."""
    console = Console()
    machine = f"{machine_line()}; load average {os.getloadavg()[0]:.1f} before"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_frame(Path(folder))
        for exporter, name in METHODS:
            consensus = "" if exporter == THEIRS else "latest"
            with console.status(f"{exporter}, {name}"):
                rows.append(measure((exporter, name, consensus, ""), Path(folder), 1))
            console.print(rows[-1], highlight=False)
    table = markdown_table(COLUMNS, [table_row(numbers) for numbers in rows])
    console.print(table, markup=False)
    write_numbers("export_frame", {"machine": machine, "measured": rows})
    write_section("export_frame", f"One run on {machine}.\n\n{table}")


if __name__ == "__main__":
    main()
