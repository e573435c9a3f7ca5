"""Predictions that a task has twice, found and brought down to one.

Label Studio asks an attached backend for a prediction when somebody opens a task without one, and stores what comes back
without looking again: where an import stored one meanwhile, the task has two of one version. No lock of ours prevents that.
"""

from __future__ import annotations

from sync.annotations import read_annotations
from sync.client import LabelStudioClient, LabelStudioError
from sync.predictions import KEPT_SUFFIX

__all__ = ["delete_doubled"]

NOT_FOUND = 404


def delete_doubled(client: LabelStudioClient, project_id: int, version: str) -> list[int]:
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
    doubled = _doubled(client, project_id, version)
    notes = read_annotations(client, project_id, task_ids=doubled) if doubled else []
    parents = {note.parent_prediction for note in notes}
    for numbers in doubled.values():
        # The oldest is on the screen of whoever has the task open: Label Studio refuses an annotation of one that is gone.
        _, *surplus = sorted(numbers, key=lambda number: (number not in parents, number))
        for number in surplus:
            _remove(client, number, version, parent=number in parents)
    return sorted(doubled)


def _doubled(client: LabelStudioClient, project_id: int, version: str) -> dict[int, list[int]]:
    """Ids of the predictions of a version, by task, where there is more than one."""
    found = {}
    # `include` reaches into nested objects: a prediction's id and version come, and its masks stay.
    for task in client.pages("/api/tasks/", project=project_id, fields="all", include="id,predictions,model_version"):
        numbers = [int(one["id"]) for one in task["predictions"] if one["model_version"] == version]
        if len(numbers) > 1:
            found[int(task["id"])] = numbers
    return found


def _remove(client: LabelStudioClient, number: int, version: str, *, parent: bool) -> None:
    path = f"/api/predictions/{number}/"
    try:
        if parent:
            client.send("PATCH", path, json={"model_version": version + KEPT_SUFFIX}, repeatable=True)
        else:
            client.send("DELETE", path, repeatable=True)
    except LabelStudioError as error:
        if error.status != NOT_FOUND:  # gone already
            raise
