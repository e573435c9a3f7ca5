"""Which tasks a version must predict: those without its prediction, and those whose stored prediction is outdated.

A prediction is outdated when the task's image references have changed since, or when the image could not be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from backend.prediction.records import PredictionRecord, data_hash
from sync.label_studio.tasks import Task

__all__ = ["RETRY_FAILED_S", "ToPredict", "choose_tasks"]

RETRY_FAILED_S = 10.0
"""Wait before an image that could not be read is tried again."""


@dataclass(slots=True)
class ToPredict:
    """Open tasks, by the state of their predictions.

    Attributes
    ----------
    missing_tasks : list of Task
        Label Studio has no prediction of the version.
    changed_tasks : list of Task
        Label Studio has one, made from other data.
    failed_tasks : list of Task
        The image could not be read, or Label Studio refused the prediction: those that may be tried again now, the one that
        was tried longest ago first.
    unknown_tasks : list of Task
        Label Studio has one of which there is no record.
    """

    missing_tasks: list[Task] = field(default_factory=list)
    changed_tasks: list[Task] = field(default_factory=list)
    failed_tasks: list[Task] = field(default_factory=list)
    unknown_tasks: list[Task] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.missing_tasks or self.changed_tasks or self.failed_tasks)


def choose_tasks(
    tasks: Sequence[Task],
    predicted_ids: Collection[int],
    records: Mapping[int, PredictionRecord],
    *,
    keys: Collection[str],
    time: float,
) -> ToPredict:
    """Sort the open tasks by the state of their predictions.

    Parameters
    ----------
    tasks : sequence of Task
        All tasks of the project.
    predicted_ids : collection of int
        Ids of those for which Label Studio has a prediction of the version.
    records : mapping
        Task id to the record of the version's prediction.
    keys : collection of str
        Keys of the tasks' data that predictions are computed from.
    time : float
        Unix time.
    """
    tasks_to_predict = ToPredict()
    for task in tasks:
        if task.annotated:
            continue
        record = records.get(task.id)
        if record is not None and record.data_hash != data_hash(task.data, keys):
            (tasks_to_predict.changed_tasks if task.id in predicted_ids else tasks_to_predict.missing_tasks).append(task)
        elif record is not None and record.failed_at is not None:
            if not 0 <= time - record.failed_at < RETRY_FAILED_S:  # after the clock was set back, it may lie in the future
                tasks_to_predict.failed_tasks.append(task)
        elif task.id not in predicted_ids:
            tasks_to_predict.missing_tasks.append(task)
        elif record is None:
            tasks_to_predict.unknown_tasks.append(task)
    tasks_to_predict.failed_tasks.sort(key=lambda task: records[task.id].failed_at or 0.0)
    return tasks_to_predict
