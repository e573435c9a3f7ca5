"""Scores of stored predictions, which decide the order of tasks under uncertainty sampling.

A score is changed in place: the prediction keeps its id, so an annotator who has the task open can submit.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from sync.label_studio.annotations import TASKS_A_REQUEST
from sync.label_studio.client import LabelStudioClient, LabelStudioError

__all__ = ["StoredScore", "read_scores", "set_score"]

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class StoredScore:
    """The id of a prediction and its score, None if it has none."""

    prediction: int
    score: float | None


def read_scores(
    client: LabelStudioClient, project_id: int, version: str, *, task_ids: Collection[int]
) -> dict[int, list[StoredScore]]:
    """Return the scores of the predictions of `version` for tasks; tasks without one are omitted.

    Measured with Label Studio 1.23.2 on SQLite: 4 ms per task.
    """
    ids, scores = sorted(task_ids), {}
    for start in range(0, len(ids), TASKS_A_REQUEST):
        query = json.dumps({"selectedItems": {"all": False, "included": ids[start : start + TASKS_A_REQUEST]}})
        # `include` also selects the fields of nested objects, but not their regions, which can be large.
        fields = {"fields": "all", "include": "id,predictions,model_version,score"}
        for task in client.pages("/api/tasks/", project=project_id, query=query, **fields):
            rows = [
                StoredScore(int(item["id"]), item["score"]) for item in task["predictions"] if item["model_version"] == version
            ]
            if rows:
                scores[int(task["id"])] = rows
    return scores


def set_score(client: LabelStudioClient, prediction: int, score: float) -> None:
    """Change the score of a prediction; do nothing if the prediction does not exist.

    Measured with Label Studio 1.23.2 on SQLite and a busy machine: 0.13 s.
    """
    try:
        client.send("PATCH", f"/api/predictions/{prediction}/", json={"score": score}, repeatable=True)
    except LabelStudioError as error:
        if error.status != _NOT_FOUND:
            raise
