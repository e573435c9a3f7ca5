"""Records of predictions: a hash of the task's data that they were computed from, and the time at which a prediction failed.

A record does not imply that the prediction is stored: Label Studio lists the stored ones. It is written before the prediction
is sent, so that a kill between the two leaves no stored prediction without a record.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from backend.registry.records import MAX_ID
from backend.registry.tables import PredictionRow, insert_of
from sync.label_studio.task_images import value_at

if TYPE_CHECKING:
    from backend.prediction.predictor import Prediction, PredictionTask

__all__ = ["PredictionRecord", "PredictionRecords", "data_hash", "records_of"]

Pairs: TypeAlias = "list[tuple[PredictionTask, Prediction]]"


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """What one prediction was computed from.

    Attributes
    ----------
    data_hash : str
        Hash of the task's data that it was computed from, from the function `data_hash`.
    failed_at : float or None
        Unix time at which an image could not be read, a control could not be predicted, or Label Studio refused the prediction;
        None without a failure.
    """

    data_hash: str
    failed_at: float | None = None


class PredictionRecords:
    """Stores the records of all projects in the database.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, project_id: int, version: int) -> dict[int, PredictionRecord]:
        """Read the records of a version, by task id."""
        query = select(PredictionRow.task_id, PredictionRow.data_hash, PredictionRow.failed_at).where(
            PredictionRow.project_id == project_id, PredictionRow.version == version
        )
        with Session(self._engine) as session:
            return {task: PredictionRecord(hash_, failed_at) for task, hash_, failed_at in session.execute(query)}

    def write(self, project_id: int, version: int, records: Mapping[int, PredictionRecord]) -> None:
        """Write records, by task id, and overwrite existing ones."""
        if not records:
            return
        insert = insert_of(self._engine)
        key = {"project_id": project_id, "version": version}
        # Sorted by task id: server and worker may write records of the same tasks, and on PostgreSQL could deadlock otherwise.
        rows = [
            key | {"task_id": task, "data_hash": record.data_hash, "failed_at": record.failed_at}
            for task, record in sorted(records.items())
        ]
        statement = insert(PredictionRow)
        statement = statement.on_conflict_do_update(
            index_elements=[PredictionRow.project_id, PredictionRow.version, PredictionRow.task_id],
            set_={"data_hash": statement.excluded.data_hash, "failed_at": statement.excluded.failed_at},
        )
        with Session(self._engine) as session:
            session.connection().execute(statement, rows)
            session.commit()

    def record_batches(
        self, batches: Iterable[Pairs], project_id: int, version: int, *, keys: Collection[str]
    ) -> Iterator[Pairs]:
        """Write the records of an engine's predictions, and yield each batch after its records are written.

        Parameters
        ----------
        batches : iterable of list of (PredictionTask, Prediction)
            From an engine.
        project_id, version : int
        keys : collection of str
            Keys of the data that predictions are computed from, for `data_hash`.
        """
        for pairs in batches:
            self.write(project_id, version, records_of(pairs, keys))
            yield pairs

    def keep_versions(self, project_id: int, versions: Collection[int]) -> None:
        """Delete the records of all other versions of a project."""
        of_other_versions = PredictionRow.project_id == project_id, PredictionRow.version.not_in(versions)
        with Session(self._engine) as session:
            session.execute(delete(PredictionRow).where(*of_other_versions))
            session.commit()


def records_of(pairs: Iterable[tuple[PredictionTask, Prediction]], keys: Collection[str]) -> dict[int, PredictionRecord]:
    """Return the records of predictions made now, by task id; ids outside the valid range are left out."""
    clock_s = time.time()
    return {
        task.id: PredictionRecord(data_hash(task.data, keys), clock_s if prediction.problem else None)
        for task, prediction in pairs
        if 0 < task.id <= MAX_ID
    }


def data_hash(data: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Hash the values of a task's data that a prediction is computed from.

    Parameters
    ----------
    data : mapping
        The task's data.
    keys : iterable of str
        Keys of the data that the prediction is computed from.
    """
    values = {key: value_at(data, key) for key in sorted(set(keys))}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
