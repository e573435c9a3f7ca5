"""Deletion of the predictions of old versions, except those that annotations started from.

Predictions are deleted one by one. Label Studio's request for a whole version sets the project's model version to None if it is
the title of a backend (Label Studio 1.23.2, `Project.should_none_model_version`), and on SQLite it locks the database for about
4 s per 1,000 predictions, so that a submission meanwhile can fail.
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
    """Delete the predictions of `versions`.

    Do not pass the live version *or the previous one*: Label Studio rejects an annotation that started from a deleted
    prediction, so an annotator who has such a task open could not submit it.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    versions : collection of str
        Names of versions.
    annotations : iterable of Annotation
        Predictions that these annotations started from are kept under the version's name with `KEPT_SUFFIX`, because Label
        Studio removes the reference to a deleted prediction from its annotations.
    keep_going : callable
        Called before each prediction is deleted or renamed; if it returns False, the function returns, and another call
        continues.

    Returns
    -------
    int
        Number of deleted predictions.
    """
    parents = {annotation.parent_prediction for annotation in annotations if annotation.parent_prediction is not None}
    deleted_count = 0
    for version in sorted(version_counts(client, project_id).keys() & set(versions)):
        tasks = sorted(predicted_tasks(client, project_id, version))
        for start in range(0, len(tasks), TASKS_A_REQUEST):
            part = tasks[start : start + TASKS_A_REQUEST]
            for numbers in prediction_ids(client, project_id, version, task_ids=part).values():
                for number in numbers:
                    if not keep_going():
                        return deleted_count
                    if number in parents:
                        keep_parent(client, number, version)
                    else:
                        delete_prediction(client, number)
                        deleted_count += 1
    return deleted_count


def keep_parent(client: LabelStudioClient, number: int, version: str) -> None:
    """Add `KEPT_SUFFIX` to the version of a prediction that an annotation started from, so that pruning keeps it."""
    _send(client, "PATCH", number, {"model_version": version + KEPT_SUFFIX})


def delete_prediction(client: LabelStudioClient, number: int) -> None:
    """Delete one prediction; do nothing if it does not exist."""
    _send(client, "DELETE", number, None)


def _send(client: LabelStudioClient, method: str, number: int, body: dict[str, str] | None) -> None:
    try:
        client.send(method, f"/api/predictions/{number}/", json=body, repeatable=True)
    except LabelStudioError as error:
        if error.status != _NOT_FOUND:
            raise
