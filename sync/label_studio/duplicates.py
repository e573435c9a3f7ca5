"""Deletes duplicate predictions of a task.

When an annotator opens a task without a prediction, Label Studio requests one from the backend and stores it without another
check. If an import stores one meanwhile, the task has two predictions of one version. A lock in this program cannot prevent it.
"""

from __future__ import annotations

from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.prediction_ids import prediction_ids
from sync.label_studio.pruning import delete_prediction, keep_parent

__all__ = ["delete_duplicates"]


def delete_duplicates(client: LabelStudioClient, project_id: int, version: str) -> list[int]:
    """Keep one prediction of `version` per task: one that annotations started from, else the oldest.

    Other predictions that annotations started from are kept under the version's name with `KEPT_SUFFIX`, because Label Studio
    removes the reference to a deleted prediction from its annotations.

    Returns
    -------
    list of int
        Ids of the tasks that had duplicates.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects a request or does not respond; another call continues.
    """
    ids_by_task = prediction_ids(client, project_id, version)
    duplicates = {task: numbers for task, numbers in ids_by_task.items() if len(numbers) > 1}
    annotations = read_annotations(client, project_id, task_ids=duplicates) if duplicates else []
    parents = {annotation.parent_prediction for annotation in annotations}
    for numbers in duplicates.values():
        # An annotator may have the oldest one open, and Label Studio rejects annotations of a deleted prediction.
        _, *surplus = sorted(numbers, key=lambda number: (number not in parents, number))
        for number in surplus:
            if number in parents:
                keep_parent(client, number, version)
            else:
                delete_prediction(client, number)
    return sorted(duplicates)
