"""Annotations of a project as they stand in Label Studio now: the record that everything is learned from.

They are read from the task list, not from an export: Label Studio keeps a copy of every export on its disk for ever,
which a loop that looks every few minutes would fill; and the list can be asked for a few tasks only.
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
"""Ids travel in the address, which proxies limit to 8 KB; and one task's masks may be hundreds of kilobytes."""

RECHECK_EVERY_S = 60.0
TASKS_A_RECHECK = 2 * TASKS_A_REQUEST
"""Tasks that are read again so often without a sign of change: one to two seconds of Label Studio's time."""

_FIELDS = "id,data,annotations,result,updated_at,completed_by,was_cancelled,ground_truth,parent_prediction,lead_time"
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
        ISO 8601; changes with every edit, but not where a label of the project is renamed for all annotations at once.
    completed_by : int or None
        Id of the person.
    was_cancelled : bool
        Whether the task was skipped.
    parent_prediction : int or None
        Id of the prediction that the person started from.
    lead_time : float or None
        Seconds spent.
    content : str
        Hash of `result`: what two annotations differ by where their times are the same.
    ground_truth : bool
        Whether somebody marked it, with the star, as the right answer.
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
        written = json.dumps(self.result, sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "content", hashlib.sha256(written.encode()).hexdigest()[:16])


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
    """Reads a project's annotations again and again, each time asking for those of tasks that have changed.

    So a look at a project where nothing happened costs the list of its tasks (0.2 s for 1,000), and one after a batch
    costs that batch. What it holds is a copy: a new reader starts by reading all.

    Renaming a label for all annotations at once moves no time stamp. So the tasks that were read longest ago are read again, at
    most 200 a minute, and where one of them has changed unnoticed, or the labelling config has, all are. A rename touches many
    tasks, so most are noticed at the next read; of 10,000 tasks each is compared once in 50 reads.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
    clock : callable, optional
        Gives seconds.

    Attributes
    ----------
    tasks : list of Task
        The project's tasks as they stood at the last read.
    """

    def __init__(self, client: LabelStudioClient, project_id: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._project_id = project_id
        self._clock = clock
        self._held: dict[int, tuple[str, list[Annotation]]] = {}  # those read longest ago first
        self._label_config: str | None = None
        self._rechecked_at = clock()
        self.tasks: list[Task] = []

    def read(self, *, label_config: str = "") -> list[Annotation]:
        """Return what `read_annotations` would return now.

        Parameters
        ----------
        label_config : str
            The project's: where it has changed, everything is read again.
        """
        if label_config != self._label_config:
            self._held, self._label_config = {}, label_config
        # The list first: whatever changes between the two requests is newer than its stamp, and is read again next time.
        self.tasks = read_tasks(self._client, self._project_id)
        stamps = {task.id: task.updated_at for task in self.tasks if task.annotations}
        self._held = {task: kept for task, kept in self._held.items() if stamps.get(task) == kept[0]}
        if self._has_changed_unnoticed(stamps):
            self._held = {}
        self._read_anew(stamps.keys() - self._held.keys(), stamps)
        found = (annotation for _, annotations in self._held.values() for annotation in annotations)
        return sorted(found, key=lambda annotation: annotation.id)

    def _has_changed_unnoticed(self, stamps: Mapping[int, str]) -> bool:
        """Read the tasks that were read longest ago again; tell whether an annotation differs whose time does not."""
        now = self._clock()
        if now - self._rechecked_at < RECHECK_EVERY_S or not self._held:
            return False
        self._rechecked_at = now
        oldest = list(self._held)[:TASKS_A_RECHECK]
        before = {one.id: one for task in oldest for one in self._held[task][1]}
        self._read_anew(oldest, stamps)
        after = [one for task in oldest for one in self._held[task][1]]
        return any(
            one.content != before[one.id].content
            for one in after
            if one.id in before and one.updated_at == before[one.id].updated_at
        )

    def _read_anew(self, tasks: Collection[int], stamps: Mapping[int, str]) -> None:
        read: dict[int, list[Annotation]] = {task: [] for task in tasks}
        for annotation in read_annotations(self._client, self._project_id, task_ids=tasks):
            read[annotation.task_id].append(annotation)
        kept = {task: held for task, held in self._held.items() if task not in read}
        self._held = kept | {task: (stamps[task], annotations) for task, annotations in read.items()}


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
        ground_truth=bool(item.get("ground_truth")),
    )


def _batched(ids: list[int], size: int) -> Iterator[list[int]]:
    """Cut `ids` into lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
