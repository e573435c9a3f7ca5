"""Annotations of a project as they stand in Label Studio now: the record that everything is learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync.client import LabelStudioClient

__all__ = ["Annotation", "read_annotations"]


@dataclass(frozen=True, slots=True)
class Annotation:
    id: int
    task_id: int
    data: dict[str, Any]
    result: list[dict[str, Any]]
    updated_at: str
    completed_by: int | None
    was_cancelled: bool
    parent_prediction: int | None
    lead_time: float | None


def read_annotations(client: LabelStudioClient, project_id: int) -> list[Annotation]:
    """Submitted and skipped annotations, ordered by id; drafts and predictions are left out."""
    raise NotImplementedError
