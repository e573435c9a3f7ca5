"""Predictions that a task has twice, found and brought down to one.

Label Studio asks an attached backend for a prediction when somebody opens a task without one, and stores what comes back
without looking again: where an import stored one meanwhile, the task has two of one version. No lock of ours prevents that.
"""

from __future__ import annotations

from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.prediction_ids import prediction_ids
from sync.label_studio.pruning import delete_prediction, keep_parent

__all__ = ["delete_duplicates"]


def delete_duplicates(client: LabelStudioClient, project_id: int, version: str) -> list[int]:
    """Leave each task one prediction of `version`, the one that annotations were made from, else the oldest.

    Any other that an annotation was made from stays as well, under the name of its version and `KEPT_SUFFIX`: else the
    annotation would forget what it was made from.

    Returns
    -------
    list of int
        Ids of the tasks that had more.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses, or does not answer; doing it again goes on.
    """
    stored = prediction_ids(client, project_id, version)
    duplicates = {task: numbers for task, numbers in stored.items() if len(numbers) > 1}
    notes = read_annotations(client, project_id, task_ids=duplicates) if duplicates else []
    parents = {note.parent_prediction for note in notes}
    for numbers in duplicates.values():
        # The oldest is on the screen of whoever has the task open: Label Studio refuses an annotation of one that is gone.
        _, *surplus = sorted(numbers, key=lambda number: (number not in parents, number))
        for number in surplus:
            if number in parents:
                keep_parent(client, number, version)
            else:
                delete_prediction(client, number)
    return sorted(duplicates)
