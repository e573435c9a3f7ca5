"""Label Studio's own JSON: tasks with annotations that Label Studio can import again, one file per split.

Regions are as Label Studio stores them, unless consensus has changed them; each exported region has an additional key
`provenance`. Label Studio 1.23.2 rejects a whole file with an unknown annotator. Annotators are therefore given in the
provenance only, by their numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from sync.controls.region import Region
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject
from sync.export.reading.images import join_parts
from sync.export.records import Answer, ParsedAnnotation, Record
from sync.export.storage_references import as_stored

__all__ = ["write"]

KEPT = ("id", "created_at", "updated_at", "lead_time", "ground_truth")
"""Fields of an annotation that are valid in any Label Studio."""


def write(records: Iterable[Record], folder: Path, *, dataset: Dataset) -> None:
    """Write `<split>.json`, a list of tasks."""
    with ExitStack() as stack:
        files: dict[str, IO[str]] = {}
        for split in dataset.splits:
            files[split] = stack.enter_context((folder / f"{split}.json").open("w", encoding="utf-8"))
        open_files: set[str] = set()

        def write_task(images: list[Record]) -> None:
            split = images[0].split
            task = json.dumps(_task(images))  # json.dump takes five times as long
            files[split].write((",\n" if split in open_files else "[\n") + task)
            open_files.add(split)

        for _, group in groupby(records, key=lambda record: record.task):
            images = list(group)
            dataset.write_together(images, partial(write_task, images))
        for split, file in files.items():
            file.write("\n]\n" if split in open_files else "[]\n")


def _task(images: list[Record]) -> dict[str, Any]:
    annotations = [_annotation(annotation) for annotation in join_parts([image.annotations for image in images])]
    return {"id": images[0].task, "data": as_stored(images[0].data), "annotations": annotations}


def _annotation(annotation: ParsedAnnotation) -> dict[str, Any]:
    entries: tuple[DrawnObject | Answer, ...] = (*annotation.objects, *annotation.answers)
    provenance_of = {_key(entry.region): entry.provenance.as_json() for entry in entries}
    result = [
        {**region, "provenance": provenance_of[_key(region)]} if _key(region) in provenance_of else region
        for region in annotation.regions
    ]
    fields = {key: annotation.fields[key] for key in KEPT if key in annotation.fields}
    # An import sets a missing ground_truth to true.
    fields.setdefault("ground_truth", False)
    provenance = {"annotator": annotation.annotator, "version": annotation.fields.get("parent_version", "")}
    return {**fields, "was_cancelled": False, "provenance": provenance, "result": result}


def _key(region: Region) -> tuple[object, object]:
    """Return a key that is unique in an annotation: a shape with labels of two controls is two regions with one id."""
    return region.get("id"), region.get("from_name")
