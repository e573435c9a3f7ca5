"""Annotations of a project as they stand in Label Studio now: the record that everything is learned from.

They are read from the task list, not from an export: Label Studio keeps a copy of every export on its disk for ever,
which a loop that looks every few minutes would fill; and the list can be asked for a few tasks only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sync.client import LabelStudioClient
from sync.tasks import Task, read_tasks

__all__ = ["Annotation", "AnnotationReader", "annotations_of", "read_annotations"]

TASKS_A_REQUEST = 100
"""Ids travel in the address, which proxies limit to 8 KB; and one task's masks may be hundreds of kilobytes."""

_FIELDS = "id,data,annotations,result,updated_at,completed_by,was_cancelled,parent_prediction,lead_time"
"""`include` reaches into nested objects, so the names of a task's and of an annotation's fields stand side by side."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one person submitted, or skipped, for one task.

    Attributes
    ----------
    id, task_id : int
    data : dict
        The task's data.
    result : list of dict
        Regions as Label Studio stores them; not checked.
    updated_at : str
        ISO 8601; changes with every edit.
    completed_by : int or None
        Id of the person.
    was_cancelled : bool
        Whether the task was skipped.
    parent_prediction : int or None
        Id of the prediction that the person started from.
    lead_time : float or None
        Seconds spent.
    """

    id: int
    task_id: int
    data: dict[str, Any]
    result: list[dict[str, Any]]
    updated_at: str
    completed_by: int | None
    was_cancelled: bool
    parent_prediction: int | None
    lead_time: float | None


def read_annotations(
    client: LabelStudioClient, project_id: int, *, task_ids: Collection[int] | None = None
) -> list[Annotation]:
    """Read the submitted and skipped annotations of a project, ordered by id; drafts and predictions are left out.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    task_ids : collection of int, optional
        Only those of these tasks; of tasks read before, only those whose `Task.updated_at` has changed need reading
        again. Default: all.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses.
    """
    if task_ids is None:
        task_ids = [task.id for task in read_tasks(client, project_id) if task.annotations]
    found: list[Annotation] = []
    for ids in _batched(sorted(set(task_ids)), TASKS_A_REQUEST):
        query = json.dumps({"selectedItems": {"all": False, "included": ids}}, separators=(",", ":"))
        for task in client.pages("/api/tasks/", project=project_id, fields="all", include=_FIELDS, query=query):
            found += annotations_of(task)
    return sorted(found, key=lambda annotation: annotation.id)


class AnnotationReader:
    """Reads a project's annotations again and again, each time asking only for those of tasks that have changed.

    So a look at a project where nothing happened costs the list of its tasks (0.2 s for 1,000), and one after a batch
    costs that batch. What it holds is a copy: a new reader starts by reading all.

    Attributes
    ----------
    tasks : list of Task
        The project's tasks as they stood at the last read.
    """

    def __init__(self, client: LabelStudioClient, project_id: int) -> None:
        self._client = client
        self._project_id = project_id
        self._held: dict[int, tuple[str, list[Annotation]]] = {}
        self.tasks: list[Task] = []

    def read(self) -> list[Annotation]:
        """Return what `read_annotations` would return now."""
        # The list first: whatever changes between the two requests is newer than its stamp, and is read again next time.
        self.tasks = read_tasks(self._client, self._project_id)
        stamps = {task.id: task.updated_at for task in self.tasks if task.annotations}
        held = {task: kept for task, kept in self._held.items() if stamps.get(task) == kept[0]}
        changed: dict[int, list[Annotation]] = {task: [] for task in stamps.keys() - held.keys()}
        for annotation in read_annotations(self._client, self._project_id, task_ids=changed.keys()):
            changed[annotation.task_id].append(annotation)
        self._held = held | {task: (stamps[task], annotations) for task, annotations in changed.items()}
        found = (annotation for _, annotations in self._held.values() for annotation in annotations)
        return sorted(found, key=lambda annotation: annotation.id)


def annotations_of(task: Mapping[str, Any]) -> list[Annotation]:
    """Take the annotations out of one task as Label Studio lists it; a broken one is logged and left out."""
    kept = []
    for item in task.get("annotations") or []:
        try:
            kept.append(_annotation(task, item))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            number = item.get("id") if isinstance(item, Mapping) else None
            logger.warning("annotation_left_out task=%s annotation=%s reason=%r", task.get("id"), number, str(error))
    return kept


def _annotation(task: Mapping[str, Any], item: Mapping[str, Any]) -> Annotation:
    """Check and convert one annotation."""
    result = item.get("result") or []
    if not isinstance(result, list) or not all(isinstance(region, dict) for region in result):
        raise ValueError("its result is not a list of regions")
    person, parent, seconds = item.get("completed_by"), item.get("parent_prediction"), item.get("lead_time")
    if isinstance(person, Mapping):
        person = person.get("id")
    return Annotation(
        id=int(item["id"]),
        task_id=int(task["id"]),
        data=dict(task["data"]),
        result=result,
        updated_at=str(item["updated_at"]),
        completed_by=None if person is None else int(person),
        was_cancelled=bool(item.get("was_cancelled")),
        parent_prediction=None if parent is None else int(parent),
        lead_time=None if seconds is None else float(seconds),
    )


def _batched(ids: list[int], size: int) -> Iterator[list[int]]:
    """Cut `ids` into lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
