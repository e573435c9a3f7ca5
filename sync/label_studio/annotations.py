"""Reads the current annotations of a project from Label Studio.

The task list is used instead of an export: Label Studio stores a copy of every export, so reading every few minutes would fill
its disk, and the list can be restricted to some tasks.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.tasks import Task, read_tasks

__all__ = ["RECHECK_EVERY_S", "Annotation", "AnnotationReader", "annotations_of", "read_annotations"]

TASKS_A_REQUEST = 100
"""Task ids per request: ids are part of the URL, which proxies limit to 8 KB, and the masks of a task can need 100s of KB."""

RECHECK_EVERY_S = 60.0
"""Time between two rechecks, seconds."""
TASKS_A_RECHECK = 2 * TASKS_A_REQUEST
"""Tasks that each recheck reads again although their time stamps have not changed; Label Studio needs 1-2 s for them."""

_FIELDS = "id,data,annotations,result,updated_at,completed_by,was_cancelled,ground_truth,parent_prediction,lead_time"
"""Fields of tasks and of annotations, because `include` also selects the fields of nested objects."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation that one annotator submitted, or a skipped task.

    Attributes
    ----------
    id, task_id : int
    data : dict
        The task's data.
    result : list of dict
        Regions as Label Studio stores them; not validated.
    updated_at : str
        ISO 8601; changes with every edit, but not when a label is renamed in all annotations of the project.
    completed_by : int or None
        Id of the annotator.
    was_cancelled : bool
        Whether the task was skipped.
    parent_prediction : int or None
        Id of the prediction that the annotation started from.
    lead_time : float or None
        Time that the annotator spent, seconds.
    content : str
        Hash of `result`; it distinguishes annotations with the same time stamp.
    ground_truth : bool
        Whether a user marked the annotation as ground truth, with the star.
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
    ground_truth: bool = False
    content: str = field(init=False)

    def __post_init__(self) -> None:
        text = json.dumps(self.result, sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "content", hashlib.sha256(text.encode()).hexdigest()[:16])


def read_annotations(
    client: LabelStudioClient, project_id: int, *, task_ids: Collection[int] | None = None
) -> list[Annotation]:
    """Read the submitted and skipped annotations of a project, ordered by id; drafts and predictions are left out.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    task_ids : collection of int, optional
        Tasks to read; default: all. Except after a rename of a label, a task needs to be read again only if its
        `Task.updated_at` has changed.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects the request.
    """
    if task_ids is None:
        task_ids = [task.id for task in read_tasks(client, project_id) if task.annotations]
    annotations: list[Annotation] = []
    for ids in _batch(sorted(set(task_ids)), TASKS_A_REQUEST):
        query = json.dumps({"selectedItems": {"all": False, "included": ids}}, separators=(",", ":"))
        for task in client.pages("/api/tasks/", project=project_id, fields="all", include=_FIELDS, query=query):
            annotations += annotations_of(task)
    return sorted(annotations, key=lambda annotation: annotation.id)


class AnnotationReader:
    """Reads a project's annotations repeatedly, and requests only those of tasks that have changed.

    Reading an unchanged project requests only the list of its tasks (0.2 s for 1,000); reading after a batch also requests the
    tasks of the batch. The reader caches the annotations in memory; the first read of a new reader requests all of them.

    Renaming a label in all annotations changes no time stamp. Therefore the reader reads the tasks with the oldest reads again,
    at most 200 a minute. If one of them, or the labelling config, has changed, it reads all tasks. A rename changes many tasks,
    so the next recheck usually detects it; each of 10,000 tasks is compared once in 50 rechecks.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    clock : callable, optional
        Returns the time in seconds; default: `time.monotonic`.

    Attributes
    ----------
    tasks : list of Task
        The project's tasks at the latest read.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._project_id = project_id
        self._clock = clock
        self._by_task: dict[int, tuple[str, list[Annotation]]] = {}  # the oldest reads first
        self._label_config: str | None = None
        self._rechecked_at = clock()
        self.tasks: list[Task] = []

    def read(self, *, label_config: str = "") -> list[Annotation]:
        """Return what `read_annotations` would return now.

        Parameters
        ----------
        label_config : str
            The project's labelling config; if it has changed, all annotations are read again.
        """
        if label_config != self._label_config:
            self._by_task, self._label_config = {}, label_config
        # The list is read first: a task that changes between the two requests is then read again next time.
        self.tasks = read_tasks(self._client, self._project_id)
        stamps = {task.id: task.updated_at for task in self.tasks if task.annotations}
        self._by_task = {task: entry for task, entry in self._by_task.items() if stamps.get(task) == entry[0]}
        if self._changed_without_stamp(stamps):
            self._by_task = {}
        self._read(stamps.keys() - self._by_task.keys(), stamps)
        annotations = (annotation for _, of_task in self._by_task.values() for annotation in of_task)
        return sorted(annotations, key=lambda annotation: annotation.id)

    def _changed_without_stamp(self, stamps: Mapping[int, str]) -> bool:
        """Read the tasks with the oldest reads again; return whether one has changed without a new time stamp."""
        clock_s = self._clock()
        if clock_s - self._rechecked_at < RECHECK_EVERY_S or not self._by_task:
            return False
        self._rechecked_at = clock_s
        oldest = list(self._by_task)[:TASKS_A_RECHECK]
        before = {annotation.id: annotation for task in oldest for annotation in self._by_task[task][1]}
        self._read(oldest, stamps)
        after = {annotation.id: annotation for task in oldest for annotation in self._by_task[task][1]}
        pairs = [(before[id_], after[id_]) for id_ in before.keys() & after.keys()]
        return any(old.content != new.content and old.updated_at == new.updated_at for old, new in pairs)

    def _read(self, tasks: Collection[int], stamps: Mapping[int, str]) -> None:
        by_task: dict[int, list[Annotation]] = {task: [] for task in tasks}
        for annotation in read_annotations(self._client, self._project_id, task_ids=tasks):
            by_task[annotation.task_id].append(annotation)
        unchanged_entries = {task: entry for task, entry in self._by_task.items() if task not in by_task}
        self._by_task = unchanged_entries | {task: (stamps[task], annotations) for task, annotations in by_task.items()}


def annotations_of(task: Mapping[str, Any]) -> list[Annotation]:
    """Return the annotations of one task of Label Studio's list; log and leave out invalid ones."""
    annotations = []
    for item in task.get("annotations") or []:
        try:
            annotations.append(_annotation(task, item))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            number = item.get("id") if isinstance(item, Mapping) else None
            logger.warning("event=annotation_left_out task=%s annotation=%s reason=%r", task.get("id"), number, str(error))
    return annotations


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
        ground_truth=bool(item.get("ground_truth")),
    )


def _batch(ids: list[int], size: int) -> Iterator[list[int]]:
    """Split `ids` into lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
