"""Predictions in bulk: store, find, and prune those of model versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sync.client import LabelStudioClient

__all__ = ["predicted_tasks", "prune", "push"]


def push(client: LabelStudioClient, project_id: int, predictions: Sequence[dict[str, Any]], *, chunk: int = 500) -> int:
    """Store predictions (``task``, ``result``, ``score``, ``model_version``); return how many are stored now of those given."""
    raise NotImplementedError


def predicted_tasks(client: LabelStudioClient, project_id: int, version: str) -> set[int]:
    """Ids of the tasks that have a prediction of `version`."""
    raise NotImplementedError


def prune(client: LabelStudioClient, project_id: int, keep: set[str]) -> int:
    """Delete predictions of all versions but `keep`; return how many."""
    raise NotImplementedError
