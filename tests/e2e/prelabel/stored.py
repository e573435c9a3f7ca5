"""Queries of predictions stored in Label Studio, for the tests of pre-labelling."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.tasks import read_tasks

__all__ = ["count_stored", "each_once", "is_base", "predictions", "task_of"]


def predictions(client: LabelStudioClient, project: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get("/api/predictions/", project=project)
    return rows


def each_once(client: LabelStudioClient, project: int) -> bool:
    """Return whether every task has exactly one prediction, all of the base version."""
    rows = predictions(client, project)
    each = Counter(prediction["task"] for prediction in rows) == Counter(task.id for task in read_tasks(client, project))
    return (
        each
        and all(is_base(prediction["model_version"]) for prediction in rows)
        and len({prediction["model_version"] for prediction in rows}) == 1
    )


def is_base(version: str | None) -> bool:
    """Return whether a version's name is that of a project's base version."""
    return bool(version and re.fullmatch("v0001-[0-9a-f]{6}", version))


def count_stored(client: LabelStudioClient, project: int) -> int:
    """Return the number of predictions of the base version."""
    counts = client.get(f"/api/projects/{project}/model-versions/")
    return sum(number for version, number in counts.items() if is_base(version))


def task_of(prediction: dict[str, Any]) -> int:
    return int(prediction["task"])
