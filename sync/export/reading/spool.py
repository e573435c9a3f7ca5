"""The annotated tasks of a project, read once from Label Studio and kept on disk while an export goes over them twice.

So both passes see the same annotations, Label Studio is asked once, and memory holds one task at a time. On the way each region
that was begun from a prediction learns of which model version it was: Label Studio keeps that with the prediction.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sync.export.reading.origins import states_of
from sync.export.storage_references import as_fetched
from sync.label_studio.annotations import TASKS_A_REQUEST
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.predictions import KEPT_SUFFIX
from sync.label_studio.tasks import read_tasks

__all__ = ["Spool", "read_annotated", "with_parents"]

FIELDS = (
    "id,data,annotations,predictions,result,created_at,updated_at,completed_by,was_cancelled,ground_truth,parent_prediction,"
    "lead_time,model_version"
)
"""`include` reaches into nested objects: the fields of a task, of an annotation and of a prediction stand side by side."""


class Spool:
    """Tasks on disk, as JSON lines; a context manager that leaves nothing behind.

    Parameters
    ----------
    folder : Path
        Where the file is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile("w+", dir=self._folder, encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def fill(self, tasks: Iterable[Mapping[str, Any]]) -> int:
        """Append tasks and return how many."""
        number = 0
        for task in tasks:
            self._file.write(json.dumps(task, separators=(",", ":")) + "\n")
            number += 1
        return number

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)


def read_annotated(client: LabelStudioClient, project_id: int) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a project that have an annotation, ordered by id, as `with_parents` leaves them.

    Their data name images so that they can be fetched; see `storage_references`.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses.
    """
    ids = [task.id for task in read_tasks(client, project_id) if task.annotations]
    for start in range(0, len(ids), TASKS_A_REQUEST):
        part = ids[start : start + TASKS_A_REQUEST]
        query = json.dumps({"selectedItems": {"all": False, "included": part}}, separators=(",", ":"))
        found = client.pages("/api/tasks/", project=project_id, fields="all", include=FIELDS, query=query, resolve_uri="false")
        for task in sorted(found, key=lambda task: int(task["id"])):
            yield with_parents({**task, "data": as_fetched(task.get("data"), task=int(task["id"]))})


def with_parents(task: dict[str, Any]) -> dict[str, Any]:
    """Write into a task's annotations what is known of the predictions they were begun from, and drop the predictions.

    An annotation gets `parent_version`, and `states`: what became of each of its regions. The regions stay as they are.
    """
    predictions = {item.get("id"): item for item in task.pop("predictions", None) or [] if isinstance(item, dict)}
    for annotation in task.get("annotations") or []:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
            continue
        regions = [region for region in annotation["result"] if isinstance(region, dict)]
        parent = predictions.get(annotation.get("parent_prediction")) or _alike(regions, predictions.values())
        if parent is not None:
            annotation["parent_version"] = str(parent.get("model_version") or "").removesuffix(KEPT_SUFFIX)
            predicted = parent.get("result")
            annotation["states"] = states_of(annotation["result"], predicted if isinstance(predicted, list) else [])
    return task


def _alike(regions: list[dict[str, Any]], predictions: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The prediction that shares most ids with regions that say they were predicted.

    Label Studio forgets `parent_prediction` where a person comes back to a draft (measured with 1.23.2).
    """
    ids = {str(region.get("id")) for region in regions if str(region.get("origin", "")).startswith("prediction")}
    best = max(predictions, key=lambda item: len(ids & _ids(item.get("result"))), default=None)
    return best if best is not None and ids & _ids(best.get("result")) else None


def _ids(result: Any) -> set[str]:
    regions = result if isinstance(result, list) else []
    return {str(region["id"]) for region in regions if isinstance(region, dict) and region.get("id")}
