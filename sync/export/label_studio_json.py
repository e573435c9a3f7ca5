"""Label Studio's own JSON: tasks with annotations that it imports again, one file a split.

Regions are those of Label Studio, byte by byte where consensus left them alone; each carries its `provenance` besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from sync.export.dataset import Dataset
from sync.export.records import Record, Statement

__all__ = ["write"]


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `<split>.json`, a list of tasks."""
    with ExitStack() as stack:
        files: dict[str, IO[str]] = {}
        for split in dataset.splits:
            files[split] = stack.enter_context((folder / f"{split}.json").open("w", encoding="utf-8"))
        begun: set[str] = set()
        for record in records:
            files[record.split].write(",\n" if record.split in begun else "[\n")
            begun.add(record.split)
            task = {"id": record.task, "data": record.data, "annotations": [_annotation(said) for said in record.statements]}
            files[record.split].write(json.dumps(task))  # json.dump takes five times as long
        for split, file in files.items():
            file.write("\n]\n" if split in begun else "[]\n")


def _annotation(statement: Statement) -> dict[str, Any]:
    made = {one.region.get("id"): one.provenance for one in statement.objects}
    made |= {answer.region.get("id"): answer.provenance for answer in statement.answers}
    result = [
        {**region, "provenance": made[region.get("id")].as_json()} if region.get("id") in made else region
        for region in statement.regions
    ]
    return {**statement.fields, "result": result, "was_cancelled": False}
