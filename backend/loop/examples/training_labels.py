"""Training labels: the labels that a version was trained on, by control, in a file in the version's folder.

Annotators edit and delete annotations; with this file the gate can still refit a version's heads without some of its images.
Masks are not stored: detection heads are trained on boxes. The values of feature blocks are stored, since columns of a task may
change.
"""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from backend.heads.feature_blocks import Block, FeatureBlocks
from backend.loop.examples.snapshot import SNAPSHOT_FILE
from backend.prediction.control_models.drawn_objects import LabelledObject
from backend.prediction.control_models.examples import Examples, ImageOfTask
from sync.geometry.shapes import Box

__all__ = ["LABELS_FILE", "read_training_labels", "save_training_labels"]

LABELS_FILE = "lessons.json"


def save_training_labels(folder: Path, examples_by_control: Mapping[str, Examples]) -> None:
    """Write a version's training examples into its folder.

    Parameters
    ----------
    folder : Path
        Folder of the version.
    examples_by_control : mapping
        Control's name to its examples.
    """
    training_labels = {
        control: [_row(examples, image) for image in sorted(examples.references)]
        for control, examples in examples_by_control.items()
    }
    (folder / LABELS_FILE).write_text(json.dumps(training_labels))


def read_training_labels(folder: Path, examples_by_control: Mapping[str, Examples]) -> dict[str, Examples]:
    """Read a version's training examples; empty for the base version, which has no folder.

    Parameters
    ----------
    folder : Path
        Folder of the version.
    examples_by_control : mapping
        Control's name to the current examples of all annotations. If the version has no file of training labels, the current
        examples of the tasks in its snapshot are returned.
    """
    if (folder / LABELS_FILE).exists():
        training_labels = json.loads((folder / LABELS_FILE).read_text())
        return {control: _examples(rows) for control, rows in training_labels.items()}
    try:
        rows = json.loads((folder / SNAPSHOT_FILE).read_text())
    except FileNotFoundError:
        return {}
    tasks = {row["task"] for row in rows}
    return {control: examples.without_tasks(_Others(tasks)) for control, examples in examples_by_control.items()}


class _Others:
    """A container of all tasks except the given ones."""

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
        row["objects"] = [
            [drawn_object.label, drawn_object.box.x, drawn_object.box.y, drawn_object.box.width, drawn_object.box.height]
            for drawn_object in label
        ]
    blocks = {name: dict(block.values) for name, block in examples.blocks.get(image, {}).items() if block.values}
    return row | ({"blocks": blocks} if blocks else {})


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
            examples.labels[image] = [LabelledObject(label, Box(*edges), None) for label, *edges in row["objects"]]
        if "blocks" in row:
            examples.blocks[image] = _blocks(row["blocks"])
    return examples


def _blocks(record: Mapping[str, Mapping[str, float]]) -> FeatureBlocks:
    return {
        name: Block({key: float(value) for key, value in values.items() if math.isfinite(value)})
        for name, values in record.items()
    }
