"""Storing one version's predictions: which tasks have one in Label Studio, and those that are missing or no longer hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence

from backend.loop.audit import held_out_tasks, mix_in
from backend.loop.publication.outdated import ToPredict, choose_tasks
from backend.prediction.bulk import Pairs, Stored, predict_and_store, predicting_here
from backend.prediction.factory import read_config
from backend.prediction.predictor import CHUNK, Task
from backend.prediction.records import PredictionRecord, data_hash
from backend.registry.records import Project
from backend.services import Services
from sync.label_studio.predictions import count_predictions, predicted_tasks
from sync.label_studio.replacing import replace
from sync.label_studio.tasks import Task as StudioTask

__all__ = ["Storing"]

log = logging.getLogger("galaxyloop.publish")

TRIED_TOGETHER = 8
"""Tasks tried again together: few, since each picture may cost the time-out of its host."""
LONGEST_TRYING_S = 20.0
"""How long a cycle tries pictures that still cannot be read."""


class Storing:
    """Stores predictions of a project's live version.

    Parameters
    ----------
    services : Services
    project : Project
        Names the version.
    """

    def __init__(self, services: Services, project: Project) -> None:
        self._services = services
        self._project = project
        self._key = project.id, project.live_version
        self._image_keys = set(read_config(project.label_config).image_key.values())
        self._held_out: frozenset[int] = frozenset()

    def due(self, tasks: Sequence[StudioTask]) -> ToPredict:
        """Choose the tasks that must be predicted, of all that the project has."""
        self._held_out = held_out_tasks(self._project, tasks)
        records, have = self._services.prediction_records, self._stored({task.id for task in tasks})
        chosen = choose_tasks(tasks, have, records.of(*self._key), keys=self._image_keys, now=time.time())
        # Stored by an earlier release, which kept no records.
        unknown = {task.id: PredictionRecord(data_hash(task.data, self._image_keys)) for task in chosen.unknown}
        records.write(*self._key, unknown)
        return chosen

    def store(self, tasks: Sequence[StudioTask]) -> int:
        """Predict tasks and store their predictions in bulk; return how many Label Studio took."""
        services, project, stored = self._services, self._project, 0
        predict = predicting_here(services.predictors.of(project, label_config=project.label_config))
        predicted = services.prediction_records.recording(
            self._mixed(predict([Task(id=task.id, data=task.data) for task in tasks])), *self._key, keys=self._image_keys
        )
        for chunk in predict_and_store(services.label_studio, project.id, predicted):
            stored += chunk.count
            services.predicted[self._key] |= self._taken(chunk)
            log.info("event=stored project=%d version=%s stored=%d of=%d", project.id, project.live_name, stored, len(tasks))
        return stored

    def make_again(self, tasks: Sequence[StudioTask], *, parents: Collection[int], only_readable: bool = False) -> int:
        """Predict tasks whose stored prediction no longer holds, and store the new ones in its place; return how many.

        Parameters
        ----------
        parents : collection of int
            Ids of predictions that annotations were made from; these are kept.
        only_readable : bool
            Leave a stored prediction as it is where the picture cannot be read.
        """
        services, project, stored = self._services, self._project, 0
        known = services.predicted[self._key]
        for start in range(0, len(tasks), CHUNK):
            chunk = [Task(id=task.id, data=task.data) for task in tasks[start : start + CHUNK]]
            predictor = services.predictors.of(project, label_config=project.label_config)
            (pairs,) = self._mixed([list(zip(chunk, predictor.predict(chunk), strict=True))])
            wanted = [
                (task, prediction)
                for task, prediction in pairs
                if not (only_readable and prediction.problem and task.id in known)
            ]
            bodies = [prediction.as_json() | {"task": task.id} for task, prediction in wanted]
            taken = replace(services.label_studio, project.id, bodies, parents=parents)
            stored += len(taken)
            known |= {task.id: prediction.score for task, prediction in wanted if task.id in taken}
            # After they are stored: a kill between the two only repeats it.
            failed = {task.id for task, prediction in pairs if prediction.problem or task.id not in taken}
            self._record([task for task, _ in pairs], failed=failed)
        if stored:
            log.info("event=made_again project=%d version=%s tasks=%d", project.id, project.live_name, stored)
        return stored

    def _mixed(self, predicted: Iterable[Pairs]) -> Iterator[Pairs]:
        """Give held-out tasks scores as the others have them, at random."""
        known = self._services.predicted[self._key].items()
        others = [score for task, score in known if score is not None and task not in self._held_out]
        return mix_in(predicted, self._held_out, known=others)

    def try_again(self, tasks: Sequence[StudioTask], *, parents: Collection[int]) -> int:
        """Make predictions again that failed, as long as some of them succeed; return how many did.

        Where none does for `LONGEST_TRYING_S`, the next cycle tries others: a host that does not answer costs its time-out for
        each picture.
        """
        stored, until = 0, time.monotonic() + LONGEST_TRYING_S
        for start in range(0, len(tasks), TRIED_TOGETHER):
            made = self.make_again(tasks[start : start + TRIED_TOGETHER], parents=parents, only_readable=True)
            stored += made
            if made:
                until = time.monotonic() + LONGEST_TRYING_S
            elif time.monotonic() >= until:
                break
        return stored

    def _stored(self, tasks: Collection[int]) -> dict[int, float | None]:
        """Return the tasks for which Label Studio has a prediction, with the score where it is known here.

        One small request counts them; which tasks have one is requested only where the count differs from this process's list,
        and at every reconciliation.
        """
        services, name = self._services, self._project.live_name
        client, project_id = services.label_studio, self._project.id
        known, (looked_at, surplus) = services.predicted.get(self._key), services.looked.get(self._key, (0.0, 0))
        if known is not None and time.monotonic() - looked_at < services.settings.reconcile_every_s:
            # Predictions go with their tasks, and a new task may have the id of one that is gone.
            there = {task: score for task, score in known.items() if task in tasks}
            if count_predictions(client, project_id, name) == len(there) + surplus:
                services.predicted[self._key] = there
                return there
        scores = known or {}
        have = {task: scores.get(task) for task in predicted_tasks(client, project_id, name)}
        services.predicted[self._key] = have
        services.looked[self._key] = time.monotonic(), count_predictions(client, project_id, name) - len(have)
        return have

    def _taken(self, chunk: Stored) -> dict[int, float | None]:
        """Return the tasks of a chunk whose predictions Label Studio has, with their scores; note which it refused."""
        scores: dict[int, float | None] = {task.id: prediction.score for task, prediction in chunk.pairs}
        if chunk.count == len(scores):
            return scores
        client, project = self._services.label_studio, self._project
        taken = predicted_tasks(client, project.id, project.live_name, task_ids=scores.keys())
        refused = [task for task, _ in chunk.pairs if task.id not in taken]
        self._record(refused, failed={task.id for task in refused})
        return {task: scores[task] for task in taken}

    def _record(self, tasks: Sequence[Task], *, failed: Collection[int]) -> None:
        """Note what predictions were made of just now, and which of them failed."""
        now, keys = time.time(), self._image_keys
        records = {task.id: PredictionRecord(data_hash(task.data, keys), now if task.id in failed else None) for task in tasks}
        self._services.prediction_records.write(*self._key, records)
