"""Training labels: the labels that a version was trained on, kept in its folder, control by control.

Annotations are edited and deleted; the gate can then still ask what the version would have learned without some of its images.
Masks are not kept: what finds objects learns from their boxes.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend.loop.examples.snapshot import SNAPSHOT_FILE
from backend.prediction.control_models.drawn_objects import DrawnObject
from backend.prediction.control_models.examples import Examples, ImageOfTask
from sync.geometry.shapes import Box

__all__ = ["LESSONS_FILE", "read_training_labels", "save_training_labels"]

LESSONS_FILE = "lessons.json"


def save_training_labels(folder: Path, gathered: Mapping[str, Examples]) -> None:
    """Write a version's examples into its folder."""
    training_labels = {
        control: [_row(examples, image) for image in sorted(examples.references)] for control, examples in gathered.items()
    }
    (folder / LESSONS_FILE).write_text(json.dumps(training_labels))


def read_training_labels(folder: Path, now: Mapping[str, Examples]) -> dict[str, Examples]:
    """Read a version's examples; none of the base version, which has no folder.

    Parameters
    ----------
    now : mapping
        Control's name to the examples of all annotations as they stand. Of a version that has no file of lessons, those of the
        tasks in its snapshot are taken.
    """
    if (folder / LESSONS_FILE).exists():
        training_labels = json.loads((folder / LESSONS_FILE).read_text())
        return {control: _examples(rows) for control, rows in training_labels.items()}
    try:
        rows = json.loads((folder / SNAPSHOT_FILE).read_text())
    except FileNotFoundError:
        return {}
    tasks = {row["task"] for row in rows}
    return {control: examples.without_tasks(_Others(tasks)) for control, examples in now.items()}


class _Others:
    """All tasks but these."""

    def __init__(self, tasks: Container[int]) -> None:
        self._tasks = tasks

    def __contains__(self, task: object) -> bool:
        return task not in self._tasks


def _row(examples: Examples, image: ImageOfTask) -> dict[str, Any]:
    row: dict[str, Any] = {"image": [image.task, image.to_name, image.page], "reference": examples.references[image]}
    label = examples.labels.get(image)
    if isinstance(label, np.ndarray):
        row["target"] = label.tolist()
    elif isinstance(label, float):
        row["value"] = label
    elif label is not None:
        row["objects"] = [[drawn.label, drawn.box.x, drawn.box.y, drawn.box.width, drawn.box.height] for drawn in label]
    return row


def _examples(rows: list[dict[str, Any]]) -> Examples:
    examples = Examples()
    for row in rows:
        image = ImageOfTask(*row["image"])
        examples.references[image] = row["reference"]
        if "target" in row:
            examples.labels[image] = np.asarray(row["target"], np.float64)
        elif "value" in row:
            examples.labels[image] = float(row["value"])
        elif "objects" in row:
            examples.labels[image] = [DrawnObject(label, Box(*edges), None) for label, *edges in row["objects"]]
    return examples
