"""The annotated tasks of a project, read once from Label Studio and stored on disk for the two passes of an export.

Both passes therefore read the same annotations, and memory holds one task at a time. The module also adds the model version and
the state of each region to annotations that began from a prediction, since Label Studio stores the version with the prediction.
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
"""Parameter `include` of the task list. Label Studio applies it to nested objects too, so it lists the fields of a task, an
annotation and a prediction together."""


class Spool:
    """Tasks on disk, as JSON lines in a temporary file; a context manager that deletes the file at the end.

    Parameters
    ----------
    folder : Path
        Folder of the temporary file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._file = tempfile.TemporaryFile("w+", dir=self._folder, encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def fill(self, tasks: Iterable[Mapping[str, Any]]) -> int:
        """Append tasks and return their number."""
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
    """Yield the tasks of a project that have an annotation, ordered by id, as `with_parents` returns them.

    Their data contain addresses from which images can be fetched; see `storage_references`.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
        Number of the project.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects a request.
    """
    ids = [task.id for task in read_tasks(client, project_id) if task.annotations]
    for start in range(0, len(ids), TASKS_A_REQUEST):
        part = ids[start : start + TASKS_A_REQUEST]
        query = json.dumps({"selectedItems": {"all": False, "included": part}}, separators=(",", ":"))
        tasks = client.pages("/api/tasks/", project=project_id, fields="all", include=FIELDS, query=query, resolve_uri="false")
        for task in sorted(tasks, key=lambda task: int(task["id"])):
            yield with_parents({**task, "data": as_fetched(task.get("data"), task=int(task["id"]))})


def with_parents(task: dict[str, Any]) -> dict[str, Any]:
    """Add the version of the parent prediction to each annotation of a task, and remove the predictions.

    An annotation that began from a prediction gets `parent_version`, the model version, and `states`, the state of each of its
    regions (see `states_of`). The regions are unchanged.
    """
    predictions = {item.get("id"): item for item in task.pop("predictions", None) or [] if isinstance(item, dict)}
    for annotation in task.get("annotations") or []:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
            continue
        regions = [region for region in annotation["result"] if isinstance(region, dict)]
        parent = predictions.get(annotation.get("parent_prediction")) or _find_parent(regions, predictions.values())
        if parent is not None:
            annotation["parent_version"] = str(parent.get("model_version") or "").removesuffix(KEPT_SUFFIX)
            parent_regions = parent.get("result")
            annotation["states"] = states_of(annotation["result"], parent_regions if isinstance(parent_regions, list) else [])
    return task


def _find_parent(regions: list[dict[str, Any]], predictions: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the prediction that has the most ids in common with the regions whose origin is a prediction, or None.

    Label Studio drops `parent_prediction` when an annotator reopens a draft (measured with 1.23.2).
    """
    ids = {str(region.get("id")) for region in regions if str(region.get("origin", "")).startswith("prediction")}
    likeliest_parent = max(predictions, key=lambda item: len(ids & _ids(item.get("result"))), default=None)
    return likeliest_parent if likeliest_parent is not None and ids & _ids(likeliest_parent.get("result")) else None


def _ids(result: Any) -> set[str]:
    regions = result if isinstance(result, list) else []
    return {str(region["id"]) for region in regions if isinstance(region, dict) and region.get("id")}
