"""Placing of a front in Label Studio: its order becomes the scores of the stored predictions.

The registry has the own scores of all tasks that are moved before the first score is changed. So a kill at any moment loses no
score, and placing the same front again changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import replace

from backend.jobs.lease import LeaseLostError
from backend.loop.queue.front import front_scores
from backend.prediction.prediction import LEAST_SCORE
from backend.registry.task_queues import Front, TaskQueues
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.scores import read_scores, set_score

__all__ = ["own_scores_of", "place"]

VERSIONS_KEPT = 3
"""Versions whose own scores are kept: a rollback shows the predictions of the live or of the previous version again."""


def place(
    client: LabelStudioClient,
    queues: TaskQueues,
    project_id: int,
    front: Front,
    *,
    scores: MutableMapping[int, float | None],
    lease: threading.Event,
) -> Front:
    """Set the scores of the front's tasks, and restore the own scores of the tasks that have left it.

    Parameters
    ----------
    client : LabelStudioClient
    queues : TaskQueues
    project_id : int
    front : Front
        Not yet placed.
    scores : mapping
        Task id to the score of its prediction of the front's version; updated.
    lease : threading.Event
        Set once the lease is lost.

    Returns
    -------
    Front
        The same front, placed; the registry has it too.

    Raises
    ------
    LeaseLostError
        If another worker has taken over.
    """
    _check(lease, project_id)
    queues.set_front(project_id, front)
    own_score_of = front.own_scores.get(front.version, {})
    targets = {**own_score_of, **front_scores(front.tasks)}
    stored_scores = read_scores(client, project_id, front.version, task_ids=targets)
    for task, target in targets.items():
        for prediction in stored_scores.get(task, []):
            if prediction.score != target:
                _check(lease, project_id)
                set_score(client, prediction.prediction, target)
        if task in scores:
            scores[task] = target
    recent = {version: front.own_scores[version] for version in list(front.own_scores)[-VERSIONS_KEPT:]}
    recent[front.version] = {task: own_score_of[task] for task in front.tasks if task in own_score_of}
    placed_front = replace(front, own_scores=recent, is_placed=True)
    queues.set_front(project_id, placed_front)
    return placed_front


def own_scores_of(
    client: LabelStudioClient, project_id: int, version: str, tasks: tuple[int, ...], *, known_scores: Mapping[int, float]
) -> dict[int, float]:
    """Return the own scores of tasks: those in `known_scores`, and for the others the scores that Label Studio has.

    A task whose prediction has no score, or the score of a front of which nothing is known, gets the lowest score.
    """
    stored_scores = read_scores(client, project_id, version, task_ids=[task for task in tasks if task not in known_scores])
    read = {
        task: max([each.score for each in predictions if each.score is not None], default=0.0)
        for task, predictions in stored_scores.items()
    }
    return {task: known_scores[task] if task in known_scores else max(read.get(task, 0.0), LEAST_SCORE) for task in tasks}


def _check(lease: threading.Event, project_id: int) -> None:
    if lease.is_set():
        raise LeaseLostError(f"project {project_id} was taken over by another worker")
