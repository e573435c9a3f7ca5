"""What Label Studio has stored of predictions, as the tests of pre-labelling ask it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sync.client import LabelStudioClient
from sync.tasks import read_tasks

__all__ = ["each_once", "predictions", "stored", "task_of"]


def predictions(client: LabelStudioClient, project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/api/predictions/", project=project)
    return found


def each_once(client: LabelStudioClient, project: int, *, version: str = "v0001") -> bool:
    """Whether every task has exactly one prediction, of this version."""
    counted = Counter((one["task"], one["model_version"]) for one in predictions(client, project))
    return counted == Counter({(task.id, version): 1 for task in read_tasks(client, project)})


def stored(client: LabelStudioClient, project: int) -> int:
    return int(client.get(f"/api/projects/{project}/model-versions/").get("v0001", 0))


def task_of(prediction: dict[str, Any]) -> int:
    return int(prediction["task"])
