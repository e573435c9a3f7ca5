"""Replacement of predictions of earlier task data, or without the image, by new ones of the same version.

A stored prediction is changed in place and keeps its id: Label Studio rejects an annotation that started from a deleted
prediction, and an annotator may have the task open.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable
from sync.label_studio.prediction_ids import prediction_ids
from sync.label_studio.predictions import predicted_tasks, push
from sync.label_studio.pruning import delete_prediction, keep_parent

__all__ = ["replace"]

logger = logging.getLogger(__name__)


def replace(
    client: LabelStudioClient, project_id: int, predictions: Sequence[dict[str, Any]], *, parents: Collection[int]
) -> set[int]:
    """Replace the stored predictions of the same tasks and version.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    predictions : sequence of dict
        As for `push`, all of one version.
    parents : collection of int
        Ids of predictions that annotations started from; they are kept under the version's name with `KEPT_SUFFIX`.

    Returns
    -------
    set of int
        Tasks whose new predictions are stored; the log has the reason for each missing one.
    """
    if not predictions:
        return set()
    version = predictions[0]["model_version"]
    stored_ids = prediction_ids(client, project_id, version, task_ids=[item["task"] for item in predictions])
    replaced_ids, missing_items = set(), []
    for item in predictions:
        numbers = stored_ids.get(item["task"], [])
        for number in numbers:
            if number in parents:
                keep_parent(client, number, version)
        changeable = [number for number in numbers if number not in parents]
        for number in changeable[1:]:
            delete_prediction(client, number)
        if not changeable:
            missing_items.append(item)
        elif _change(client, project_id, changeable[0], item):
            replaced_ids.add(item["task"])
    if push(client, project_id, missing_items) == len(missing_items):
        return replaced_ids | {item["task"] for item in missing_items}
    return replaced_ids | predicted_tasks(client, project_id, version, task_ids=[item["task"] for item in missing_items])


def _change(client: LabelStudioClient, project_id: int, number: int, prediction: dict[str, Any]) -> bool:
    try:
        # Label Studio validates the result against the project in the request.
        body = {"project": project_id, **prediction}
        client.send("PATCH", f"/api/predictions/{number}/", json=body, repeatable=True)
    except LabelStudioUnavailable:
        raise
    except LabelStudioError as error:
        task, version = prediction["task"], prediction["model_version"]
        logger.error(
            "event=prediction_not_stored project=%s task=%s version=%s reason=%r", project_id, task, version, str(error)
        )
        return False
    return True
