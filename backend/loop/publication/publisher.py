"""Predicts tasks with a project's live version and stores the predictions in Label Studio."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence

from backend.loop.audit import held_out_tasks, randomise_held_out
from backend.loop.publication.outdated import ToPredict, choose_tasks
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.prediction.bulk import Pairs, Stored, make_engine, predict_and_store
from backend.prediction.prediction import LEAST_SCORE
from backend.prediction.predictor import CHUNK, PredictionTask
from backend.prediction.records import PredictionRecord, data_hash
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.predictions import predicted_tasks
from sync.label_studio.replacing import replace
from sync.label_studio.tasks import Task

__all__ = ["Publisher"]

log = logging.getLogger("galaxyloop.publish")

RETRY_TASKS = 8
"""Tasks that are retried together: few, because each image may cost the time-out of its host."""
RETRY_FOR_S = 20.0
"""Longest time that a cycle retries images without success."""


class Publisher:
    """Stores predictions of a project's live version.

    Parameters
    ----------
    services : Services
    project : Project
        Its live version predicts.
    stored : StoredPredictions
        The predictions of that version in Label Studio; updated by every method.
    """

    def __init__(self, services: Services, project: Project, predictions: StoredPredictions) -> None:
        self._services = services
        self._project = project
        self._predictions = predictions
        self._key = project.id, project.live_version
        self._data_keys = services.predictors.data_keys(project)
        self._held_out: frozenset[int] = frozenset()

    def choose(self, tasks: Sequence[Task]) -> ToPredict:
        """Choose the tasks that must be predicted.

        Parameters
        ----------
        tasks : sequence of PredictionTask
            All tasks of the project.
        """
        services, project = self._services, self._project
        self._held_out = held_out_tasks(project, tasks)
        self._predictions.update(
            services.label_studio,
            project.id,
            project.live_name,
            tasks={task.id for task in tasks},
            max_age_s=services.settings.reconcile_every_s,
        )
        records = services.prediction_records
        tasks_to_predict = choose_tasks(
            tasks, self._predictions.scores.keys(), records.of(*self._key), keys=self._data_keys, time=time.time()
        )
        # An earlier release stored these without a record.
        unknown = {task.id: PredictionRecord(data_hash(task.data, self._data_keys)) for task in tasks_to_predict.unknown_tasks}
        records.write(*self._key, unknown)
        return tasks_to_predict

    def store(self, tasks: Sequence[Task]) -> int:
        """Predict tasks and store their predictions in bulk; return how many Label Studio has stored."""
        services, project, stored_count = self._services, self._project, 0
        predict = make_engine(services.predictors.of(project, label_config=project.label_config))
        predictions = self._with_random_scores(predict([PredictionTask(id=task.id, data=task.data) for task in tasks]))
        batches = services.prediction_records.record_batches(predictions, *self._key, keys=self._data_keys)
        for chunk in predict_and_store(services.label_studio, project.id, batches):
            stored_count += chunk.count
            self._predictions.scores |= self._scores_of(chunk)
            log.info(
                "event=stored project=%d version=%s stored=%d of=%d", project.id, project.live_name, stored_count, len(tasks)
            )
        return stored_count

    def replace(self, tasks: Sequence[Task], *, parents: Collection[int]) -> int:
        """Predict tasks whose stored prediction is outdated, and replace it; return how many were replaced.

        Parameters
        ----------
        parents : collection of int
            Ids of predictions that annotations were made from; these are kept.
        """
        return self._replace(tasks, parents=parents, only_readable=False)

    def retry(self, tasks: Sequence[Task], *, parents: Collection[int]) -> int:
        """Replace failed predictions as long as some images can be read; return how many were replaced.

        After `RETRY_FOR_S` without success the rest is left to the next cycle: a host that does not answer costs its time-out
        for each image.
        """
        stored_count, until = 0, time.monotonic() + RETRY_FOR_S
        for start in range(0, len(tasks), RETRY_TASKS):
            replaced_ids = self._replace(tasks[start : start + RETRY_TASKS], parents=parents, only_readable=True)
            stored_count += replaced_ids
            if replaced_ids:
                until = time.monotonic() + RETRY_FOR_S
            elif time.monotonic() >= until:
                break
        return stored_count

    def _replace(self, tasks: Sequence[Task], *, parents: Collection[int], only_readable: bool) -> int:
        """Replace predictions; with `only_readable`, not by those of images that cannot be read."""
        services, project, stored_count = self._services, self._project, 0
        for start in range(0, len(tasks), CHUNK):
            chunk = [PredictionTask(id=task.id, data=task.data) for task in tasks[start : start + CHUNK]]
            predictor = services.predictors.of(project, label_config=project.label_config)
            (pairs,) = self._with_random_scores([list(zip(chunk, predictor.predict(chunk), strict=True))])
            new = [
                (task, prediction)
                for task, prediction in pairs
                if not (only_readable and prediction.problem and task.id in self._predictions.scores)
            ]
            bodies = [prediction.as_json() | {"task": task.id} for task, prediction in new]
            replaced_ids = replace(services.label_studio, project.id, bodies, parents=parents)
            stored_count += len(replaced_ids)
            self._predictions.scores |= {task.id: prediction.score for task, prediction in new if task.id in replaced_ids}
            # After they are stored: a kill between the two only repeats them.
            failed_ids = {task.id for task, prediction in pairs if prediction.problem or task.id not in replaced_ids}
            self._record([task for task, _ in pairs], failed_ids=failed_ids)
        if stored_count:
            log.info("event=replaced project=%d version=%s tasks=%d", project.id, project.live_name, stored_count)
        return stored_count

    def _with_random_scores(self, batches: Iterable[Pairs]) -> Iterator[Pairs]:
        """Draw the scores of held-out tasks from the own scores of the others; those of the queue's front are lower."""
        scores = [
            (task, score) for task, score in self._predictions.scores.items() if score is not None and score >= LEAST_SCORE
        ]
        known_scores = [score for task, score in scores if task not in self._held_out]
        return randomise_held_out(batches, self._held_out, known_scores=known_scores)

    def _scores_of(self, chunk: Stored) -> dict[int, float | None]:
        """Return the scores of the stored predictions of a chunk; record the tasks whose prediction Label Studio refused."""
        scores: dict[int, float | None] = {task.id: prediction.score for task, prediction in chunk.pairs}
        if chunk.count == len(scores):
            return scores
        client, project = self._services.label_studio, self._project
        stored_ids = predicted_tasks(client, project.id, project.live_name, task_ids=scores.keys())
        missing_tasks = [task for task, _ in chunk.pairs if task.id not in stored_ids]
        self._record(missing_tasks, failed_ids={task.id for task in missing_tasks})
        return {task: scores[task] for task in stored_ids}

    def _record(self, tasks: Sequence[PredictionTask], *, failed_ids: Collection[int]) -> None:
        """Record the data that predictions were just made from, and which of them failed."""
        clock_s, keys = time.time(), self._data_keys
        records = {
            task.id: PredictionRecord(data_hash(task.data, keys), clock_s if task.id in failed_ids else None) for task in tasks
        }
        self._services.prediction_records.write(*self._key, records)
