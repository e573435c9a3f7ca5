"""Regions that a format cannot store are listed, and neither written nor counted."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.export.run import ExportError
from sync.geometry.shapes import Box
from sync.labelling.config import parse

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def reasons(folder: Path) -> list[str]:
    with (folder / "problems.csv").open() as file:
        return [row["reason"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("format", ["yolo", "fits"])
def test_unsupported_answers_are_neither_written_nor_counted(
    run_export: Exported, task: Say, annotation: Say, region: Say, format: str
) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    tasks = [task(annotation(region("morphology", ["Spiral"]), box)) for _ in range(2)]
    folder, summary = run_export(tasks, format)
    assert (summary.tasks, summary.objects, summary.answers) == (2, 2, 0)
    (reason,) = reasons(folder)
    assert reason == (
        f"2 of 'morphology' are left out: {format} cannot represent answers about whole images; "
        "coco, ecsv, fits-table, json, parquet and votable can"
    )
    assert "answers about whole images: 0" in (folder / "README.md").read_text()


def test_regions_of_unknown_controls_are_counted_by_control(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    """Choices per region, Labels with a Rectangle, a Rating, a relation: only Label Studio's own JSON stores them."""
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    further = [
        {"id": box["id"], "from_name": "of region", "to_name": "image", "type": "choices", "value": {"choices": ["Odd"]}},
        {"id": "l", "from_name": "label", "to_name": "image", "type": "labels", "value": {"labels": ["Odd"]}},
        {"id": "r", "from_name": "rating", "to_name": "image", "type": "rating", "value": {"rating": 3}},
        {"type": "relation", "from_id": "l", "to_id": "r", "direction": "right"},
    ]
    tasks = [task(annotation(box, *further)) for _ in range(2)]
    folder, summary = run_export(tasks, "coco")
    assert (summary.objects, summary.problems) == (2, 4)
    assert [reason.partition(" are left out")[0] for reason in reasons(folder)] == [
        "2 regions of 'of region' (choices)",
        "2 regions of 'label' (labels)",
        "2 regions of 'rating' (rating)",
        "2 regions of type relation",
    ]
    assert "Problems: 4" in (folder / "README.md").read_text()
    assert run_export(tasks, "json")[1].problems == 0


def test_counts_match_the_written_files(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    tasks = [task(annotation(box)), task(annotation(box), image="/data/upload/1/missing.png")]
    folder, summary = run_export(tasks, "yolo")
    assert (summary.tasks, summary.objects) == (1, 1)
    card = (folder / "README.md").read_text()
    assert "Tasks: 1 exported of 2" in card
    assert "| box | Star | 1 | 1 | 100.0 % |" in card


def test_an_empty_export_fails_with_the_first_reason(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    with pytest.raises(
        ExportError, match=r"none of them can be exported: the image is left out: YOLO needs the image file: .*HTTP 404"
    ):
        run_export([task(annotation(box), image="/data/upload/1/missing.png")], "yolo")


@pytest.mark.parametrize("format", ["yolo", "fits"])
def test_an_error_names_the_formats_that_support_answers(
    run_export: Exported, task: Say, annotation: Say, region: Say, format: str
) -> None:
    choices = '<Choices name="morphology" toName="image"><Choice value="Spiral"/></Choices>'
    config = parse(f'<View><Image name="image" value="$image"/>{choices}</View>')
    with pytest.raises(ExportError, match=rf"{format} holds objects only: coco, ecsv, .* hold answers"):
        run_export([task(annotation(region("morphology", ["Spiral"])))], format, config=config)
