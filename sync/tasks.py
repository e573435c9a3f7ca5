"""Tasks of a project: what there is to predict, and what is still to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync.client import LabelStudioClient

__all__ = ["Task", "read_tasks"]


@dataclass(frozen=True, slots=True)
class Task:
    id: int
    data: dict[str, Any]
    annotated: bool


def read_tasks(client: LabelStudioClient, project_id: int) -> list[Task]:
    """All tasks, ordered by id."""
    raise NotImplementedError
