"""Which tasks a version must predict: those without its prediction, and those whose stored prediction no longer holds.

A prediction no longer holds when the task's image references have changed since, or when it was made without its picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from backend.prediction.records import PredictionRecord, data_hash
from sync.label_studio.tasks import Task

__all__ = ["RETRY_FAILED_S", "ToPredict", "choose_tasks"]

RETRY_FAILED_S = 10.0
"""How long a picture that could not be read is left alone."""


@dataclass(slots=True)
class ToPredict:
    """Tasks still to do, by what is wrong with their predictions.

    Attributes
    ----------
    missing : list of Task
        Label Studio has no prediction of the version.
    changed : list of Task
        It has one, made of other data.
    failed : list of Task
        The picture could not be read, or Label Studio refused the prediction: those that may be tried again now, the ones
        that were tried longest ago first.
    unknown : list of Task
        It has one of which there is no record.
    """

    missing: list[Task] = field(default_factory=list)
    changed: list[Task] = field(default_factory=list)
    failed: list[Task] = field(default_factory=list)
    unknown: list[Task] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.missing or self.changed or self.failed)


def choose_tasks(
    tasks: Sequence[Task],
    have: Collection[int],
    records: Mapping[int, PredictionRecord],
    *,
    keys: Collection[str],
    now: float,
) -> ToPredict:
    """Sort the tasks that nobody has annotated yet.

    Parameters
    ----------
    tasks : sequence of Task
        Of the project.
    have : collection of int
        Ids of those for which Label Studio has a prediction of the version.
    records : mapping
        What the version's predictions were made of, by task.
    keys : collection of str
        Of the tasks' data, under which images are.
    now : float
        Unix time.
    """
    chosen = ToPredict()
    for task in tasks:
        if task.annotated:
            continue
        record = records.get(task.id)
        if record is not None and record.data_hash != data_hash(task.data, keys):
            (chosen.changed if task.id in have else chosen.missing).append(task)
        elif record is not None and record.failed_at is not None:
            if now - record.failed_at >= RETRY_FAILED_S:
                chosen.failed.append(task)
        elif task.id not in have:
            chosen.missing.append(task)
        elif record is None:
            chosen.unknown.append(task)
    chosen.failed.sort(key=lambda task: records[task.id].failed_at or 0.0)
    return chosen
