"""One method of the export benchmark: export a folder of tasks in one format, and print seconds, peak memory and output."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.export.tasks import CONFIG

OURS, THEIRS = "galaxyloop", "label_studio_sdk.converter"
WHOLE = "galaxyloop, masks of the whole image encoded by pycocotools"
"""The export before masks were encoded in their own rectangles."""


def main() -> None:
    """Read the method from the command line: exporter, format, folder of tasks, folder to write, consensus, split."""
    exporter, name, source, output, consensus, split = sys.argv[1:]
    began, began_cpu = time.perf_counter(), time.process_time()
    if exporter == WHOLE:
        _encode_whole_images()
    summary = (
        _ours(name, Path(source), Path(output), consensus, split)
        if exporter in (OURS, WHOLE)
        else _theirs(name, Path(source), Path(output))
    )
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size_mb = sum(file.stat().st_size for file in Path(output).rglob("*") if file.is_file()) / 2**20
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak_mb, "output_mb": size_mb, **summary}))


def _ours(name: str, source: Path, output: Path, consensus: str, split: str) -> dict[str, Any]:
    from sync.export.image_files import ImageFiles
    from sync.export.reading.spool import with_parents
    from sync.export.run import Plan, export
    from sync.export.splits import parse_fractions
    from sync.labelling.config import parse

    fractions = parse_fractions(split) if split else None
    plan = Plan(1, "Galaxies", parse(CONFIG), name, consensus, fractions, 0, "", "")
    image_files = ImageFiles(lambda reference: Path(reference).read_bytes(), max_pixels=10**8)
    summary = export((with_parents(task) for task in _lines(source)), output, plan=plan, image_files=image_files)
    return {"objects": summary.objects, "problems": summary.problems}


def _encode_whole_images() -> None:
    import numpy as np
    from pycocotools import mask as coco_mask

    from sync.export.formats import coco, parquet
    from sync.geometry.footprint import Footprint
    from sync.geometry.shapes import Size

    def as_rle(footprint: Footprint, size: Size) -> dict[str, Any]:
        full_mask = footprint.to_mask(size)
        rle = coco_mask.encode(np.asfortranarray(full_mask, dtype=np.uint8))
        return {"size": list(full_mask.shape), "counts": rle["counts"].decode("ascii")}

    for module in (coco, parquet):
        module.__dict__["as_rle"] = as_rle


def _lines(source: Path) -> Iterator[dict[str, Any]]:
    with (source / "tasks.jsonl").open() as file:
        for line in file:
            yield json.loads(line)


def _theirs(name: str, source: Path, output: Path) -> dict[str, Any]:
    from label_studio_sdk.converter import Converter

    converter = Converter(CONFIG, project_dir=str(source), download_resources=False)
    converter.convert(str(source / "tasks.json"), str(output), name.upper(), is_dir=False)
    objects = None
    if name == "coco":
        objects = len(json.loads((output / "result.json").read_text())["annotations"])
    elif name == "yolo":
        objects = sum(len(file.read_text().splitlines()) for file in (output / "labels").glob("*.txt"))
    return {"objects": objects, "problems": None}


if __name__ == "__main__":
    main()
