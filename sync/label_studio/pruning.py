"""Pruning: predictions of versions that nobody sees any more are deleted, and those that annotations were made from are kept.

They are deleted one by one, not with Label Studio's request for a whole version: that one sets the project's model version to
None while it is a backend's title (Label Studio 1.23.2, `Project.should_none_model_version`), and on SQLite it locks the
database for about 4 s for each 1,000 predictions, so that whoever submits meanwhile may get an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sync.label_studio.annotations import TASKS_A_REQUEST, Annotation
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.prediction_ids import prediction_ids
from sync.label_studio.predictions import KEPT_SUFFIX, predicted_tasks, version_counts

__all__ = ["delete_prediction", "keep_parent", "prune"]

_NOT_FOUND = 404


def prune(
    client: LabelStudioClient,
    project_id: int,
    versions: Collection[str],
    *,
    annotations: Iterable[Annotation] = (),
    keep_going: Callable[[], bool] = lambda: True,
) -> int:
    """Delete the predictions of these versions, and of no other, whatever it is called.

    Leave out the live version *and the one before it*: Label Studio refuses an annotation that was begun from a prediction
    that is gone, so whoever has such a task open could not submit.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    versions : collection of str
        Their names.
    annotations : iterable of Annotation
        Predictions that these were made from are kept, under the name of their version and `KEPT_SUFFIX`; else the
        annotation forgets what it was made from.
    go_on : callable
        Asked before each request; where it returns False, the rest stays for another call.

    Returns
    -------
    int
        How many were deleted.
    """
    parents = {note.parent_prediction for note in annotations if note.parent_prediction is not None}
    deleted = 0
    for version in sorted(version_counts(client, project_id).keys() & set(versions)):
        tasks = sorted(predicted_tasks(client, project_id, version))
        for start in range(0, len(tasks), TASKS_A_REQUEST):
            part = tasks[start : start + TASKS_A_REQUEST]
            for numbers in prediction_ids(client, project_id, version, task_ids=part).values():
                for number in numbers:
                    if not keep_going():
                        return deleted
                    if number in parents:
                        keep_parent(client, number, version)
                    else:
                        delete_prediction(client, number)
                        deleted += 1
    return deleted


def keep_parent(client: LabelStudioClient, number: int, version: str) -> None:
    """Mark a prediction of `version` that an annotation was made from, so that it outlives the others of its version."""
    _send(client, "PATCH", number, {"model_version": version + KEPT_SUFFIX})


def delete_prediction(client: LabelStudioClient, number: int) -> None:
    """Delete one prediction; one that is gone already is passed over."""
    _send(client, "DELETE", number, None)


def _send(client: LabelStudioClient, method: str, number: int, body: dict[str, str] | None) -> None:
    try:
        client.send(method, f"/api/predictions/{number}/", json=body, repeatable=True)
    except LabelStudioError as error:
        if error.status != _NOT_FOUND:
            raise
