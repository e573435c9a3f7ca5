"""The order of a project's queue: rank the open tasks, and place the first ones at the front.

Label Studio's uncertainty sampling serves the lowest score first. The tasks at the front have scores below all others, in the
order of the ranking; every other task keeps the own score of its prediction. A new front is chosen for each live version, for
another strategy or request, and when fewer than half of its tasks are open.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backend.loop.audit import held_out_tasks
from backend.loop.examples.snapshot import Snapshot
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.loop.queue.front import front_scores, mix_in
from backend.loop.queue.placing import own_scores_of, place
from backend.loop.queue.ranking import Ranking, rank_tasks, read_ranking
from backend.prediction.prediction import LEAST_SCORE
from backend.registry.records import Project
from backend.registry.task_queues import Front, TaskQueues
from backend.services import Services
from sync.label_studio.scores import read_scores
from sync.label_studio.tasks import Task

__all__ = ["Queue", "order_queue", "own_scores"]

log = logging.getLogger("galaxyloop.queue")

SCORES_READ = 2000
"""Unknown scores that are read from Label Studio for a ranking; they take 8 s, and the others count as average."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The state of a project in one cycle.

    Attributes
    ----------
    project : Project
    tasks : sequence of Task
        All tasks of the project.
    snapshot : Snapshot
        The current annotations.
    predictions : StoredPredictions
        Of the live version; the scores of the tasks that are moved are updated.
    batch : int
        Number of annotations that start a training.
    lease : threading.Event
        Set once the lease is lost.
    """

    project: Project
    tasks: Sequence[Task]
    snapshot: Snapshot
    predictions: StoredPredictions
    batch: int
    lease: threading.Event


def order_queue(services: Services, queue: Queue) -> str:
    """Place a new front if the last one is outdated, or finish placing it; return what was done, in a clause.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses a request or cannot be reached; another call continues.
    LeaseLostError
        If another worker has taken over.
    """
    project, scores = queue.project, queue.predictions.scores
    if project.published_version != project.live_version:
        return ""
    queues, client = TaskQueues(services.engine), services.label_studio
    ranking = read_ranking(project, queues.request(project.id), batch=queue.batch)
    candidates = _candidates(services, queue)
    front = _with_new_scores(queues.front(project.id), project.live_name, queue.predictions)
    if not _is_outdated(front, project, ranking, candidates):
        if not front.is_placed:
            place(client, queues, project.id, front, scores=scores, lease=queue.lease)
        # Another process may have placed it.
        scores |= {task: score for task, score in front_scores(front.tasks).items() if task in scores}
        return ""
    held_out = held_out_tasks(project, queue.tasks)
    tasks = _choose(services, queue, front, ranking, candidates, held_out)
    own_scores = _own_scores(services, project, front, tasks)
    new = Front(project.live_name, ranking.key, tasks, len(candidates), own_scores, is_placed=False)
    place(client, queues, project.id, new, scores=scores, lease=queue.lease)
    if not new.tasks:
        return ""
    log.info("event=queue_ordered project=%d version=%s by=%r tasks=%d", project.id, new.version, ranking.name, len(new.tasks))
    return f"the next {len(new.tasks)} tasks are ordered by {ranking.name}"


def own_scores(services: Services, project: Project, scores: Mapping[int, float | None]) -> dict[int, float | None]:
    """Return the scores of the live version's predictions as the heads computed them, without the order of the queue."""
    return {**scores, **TaskQueues(services.engine).front(project.id).own_scores.get(project.live_name, {})}


def _candidates(services: Services, queue: Queue) -> dict[int, Task]:
    """Return the open tasks with a prediction of the live version whose images could be read, by id."""
    records = services.prediction_records.of(queue.project.id, queue.project.live_version)
    unreadable = {task for task, record in records.items() if record.failed_at is not None}
    scores = queue.predictions.scores
    return {task.id: task for task in queue.tasks if not task.annotated and task.id in scores and task.id not in unreadable}


def _with_new_scores(front: Front, version: str, predictions: StoredPredictions) -> Front:
    """Return the front with the own scores of the tasks that were predicted again since it was placed."""
    if front.version != version:
        return front
    scores = {
        task: score for task in front.tasks if (score := predictions.scores.get(task)) is not None and score >= LEAST_SCORE
    }
    if not scores:
        return front
    scores_by_version = {**front.own_scores, version: {**front.own_scores.get(version, {}), **scores}}
    return replace(front, own_scores=scores_by_version, is_placed=False)


def _is_outdated(front: Front, project: Project, ranking: Ranking, candidates: Collection[int]) -> bool:
    if (front.version, front.ranking) != (project.live_name, ranking.key):
        return True
    still_open = sum(task in candidates for task in front.tasks)
    has_grown = not front.tasks and len(candidates) > front.candidates
    return 2 * still_open < len(front.tasks) or has_grown


def _choose(
    services: Services,
    queue: Queue,
    front: Front,
    ranking: Ranking,
    candidates: dict[int, Task],
    held_out: frozenset[int],
) -> tuple[int, ...]:
    """Rank the tasks that are not held out, and mix held-out ones in at their share."""
    ranked_ids = rank_tasks(
        services,
        queue.project,
        ranking,
        [task for id_, task in candidates.items() if id_ not in held_out],
        tasks=queue.tasks,
        training=[annotation for annotation in queue.snapshot.annotations if annotation.task_id not in held_out],
        own_scores=lambda: _known_scores(services, queue, front),
    )
    waiting = held_out & candidates.keys()
    share, seed = len(waiting) / max(len(candidates), 1), f"{queue.project.live_name} {queue.snapshot.fingerprint}"
    return tuple(mix_in(ranked_ids, waiting, share=share, length=ranking.length, seed=seed))


def _known_scores(services: Services, queue: Queue, front: Front) -> dict[int, float]:
    """Return the own scores of the live version's predictions; of those that another process has computed, some are read."""
    project, stored_scores = queue.project, queue.predictions.scores
    known_scores = {task: score for task, score in stored_scores.items() if score is not None}
    known_scores.update(front.own_scores.get(project.live_name, {}))
    unknown = [task for task in stored_scores if task not in known_scores]
    sample: list[int] = np.random.default_rng(0).permutation(unknown)[:SCORES_READ].tolist() if unknown else []
    for task, scores in read_scores(services.label_studio, project.id, project.live_name, task_ids=sample).items():
        if scores[-1].score is not None:
            known_scores[task] = scores[-1].score
    return known_scores


def _own_scores(services: Services, project: Project, last: Front, tasks: tuple[int, ...]) -> dict[str, dict[int, float]]:
    """Return the own scores of a new front's tasks, and of those whose score the last fronts have changed, by version."""
    version = project.live_name
    known_scores = dict(last.own_scores.get(version, {}))
    own_score_of = known_scores | own_scores_of(services.label_studio, project.id, version, tasks, known_scores=known_scores)
    return {other: dict(scores) for other, scores in last.own_scores.items() if other != version} | {version: own_score_of}
