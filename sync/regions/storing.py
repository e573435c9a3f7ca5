"""Stores imported regions once, also if the import runs several times.

Region ids are hashes of the content. A prediction of the model with the same ids and scores is kept, one with others is
replaced, and predictions of other models are unchanged. An annotation that shares an id with the imported regions comes from an
earlier import and is kept, since an annotator may have corrected it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sync.controls.region import Region
from sync.label_studio.annotations import TASKS_A_REQUEST, read_annotations
from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable
from sync.label_studio.predictions import predicted_tasks, push
from sync.label_studio.replacing import replace

__all__ = ["CHANGED", "StoreResult", "store_annotations", "store_predictions"]

CHANGED = "the task has an annotation of an earlier import, with other regions: it is kept; delete it to import this one"

Results = dict[int, list[Region]]
"""Maps the number of a task to its regions."""


@dataclass
class StoreResult:
    """Result of a batch.

    Attributes
    ----------
    new_tasks, known_tasks : set of int
        Tasks whose regions were stored by this import, and tasks that already had them.
    refused_tasks : dict of int to str
        Maps each other task to the reason.
    """

    new_tasks: set[int] = field(default_factory=set)
    known_tasks: set[int] = field(default_factory=set)
    refused_tasks: dict[int, str] = field(default_factory=dict)


def store_predictions(client: LabelStudioClient, project_id: int, results: Results, *, model: str) -> StoreResult:
    """Store one prediction per task; it replaces an existing prediction of the same model.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
        Number of the project.
    results : dict
        Maps the number of a task to its regions.
    model : str
        Model version of the predictions.

    Raises
    ------
    LabelStudioError
        If Label Studio does not respond. Another run continues the import.
    """
    outcome = StoreResult()
    predicted_ids = predicted_tasks(client, project_id, model, task_ids=results.keys())
    before = dict(_predictions(client, project_id, predicted_ids, model)) if predicted_ids else {}
    outcome.known_tasks = {
        task for task in predicted_ids if _scores_by_id(before.get(task, [])) == _scores_by_id(results[task])
    }
    bodies = {task: _prediction(task, regions, model) for task, regions in results.items() if task not in outcome.known_tasks}
    changed_items = [bodies[task] for task in sorted(bodies.keys() & predicted_ids)]
    if changed_items:
        notes = read_annotations(client, project_id, task_ids=[body["task"] for body in changed_items])
        parents = {note.parent_prediction for note in notes if note.parent_prediction is not None}
        outcome.new_tasks |= replace(client, project_id, changed_items, parents=parents)
    fresh = [bodies[task] for task in sorted(bodies.keys() - predicted_ids)]
    if push(client, project_id, fresh) == len(fresh):
        outcome.new_tasks |= {body["task"] for body in fresh}
    else:
        outcome.new_tasks |= predicted_tasks(client, project_id, model, task_ids=[body["task"] for body in fresh])
    outcome.refused_tasks = dict.fromkeys(bodies.keys() - outcome.new_tasks, "Label Studio did not store its prediction")
    return outcome


def store_annotations(client: LabelStudioClient, project_id: int, results: Results) -> StoreResult:
    """Store one annotation per task, unless the task has one of an earlier import.

    Parameters
    ----------
    client : LabelStudioClient
    project_id : int
        Number of the project.
    results : dict
        Maps the number of a task to its regions.

    Raises
    ------
    LabelStudioError
        If Label Studio does not respond. Another run continues the import.
    """
    outcome = StoreResult()
    earlier: dict[int, list[set[str]]] = {}
    for note in read_annotations(client, project_id, task_ids=results.keys()):
        if not note.was_cancelled:
            earlier.setdefault(note.task_id, []).append({str(region.get("id")) for region in note.result})
    for task, regions in sorted(results.items()):
        ids = {region["id"] for region in regions}
        same = [
            ids_of_annotation
            for ids_of_annotation in earlier.get(task, [])
            if ids_of_annotation & ids or ids_of_annotation == ids
        ]
        if same:
            if any(ids <= ids_of_annotation for ids_of_annotation in same):
                outcome.known_tasks.add(task)
            else:
                outcome.refused_tasks[task] = CHANGED
            continue
        try:
            client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": regions, "was_cancelled": False})
        except LabelStudioUnavailable:
            raise
        except LabelStudioError as error:
            outcome.refused_tasks[task] = str(error)
        else:
            outcome.new_tasks.add(task)
    return outcome


def _prediction(task: int, regions: Sequence[Region], model: str) -> dict[str, Any]:
    scores = [region["score"] for region in regions if "score" in region]
    score = sum(scores) / len(scores) if scores else None
    return {"task": task, "result": list(regions), "score": score, "model_version": model}


def _scores_by_id(regions: Sequence[Region]) -> dict[str, float | None]:
    return {str(region.get("id")): region.get("score") for region in regions}


def _predictions(
    client: LabelStudioClient, project_id: int, tasks: Collection[int], model: str
) -> Iterator[tuple[int, list[Region]]]:
    """Yield the task and the regions of each prediction of the model."""
    ids = sorted(tasks)
    for start in range(0, len(ids), TASKS_A_REQUEST):
        query = json.dumps({"selectedItems": {"all": False, "included": ids[start : start + TASKS_A_REQUEST]}})
        fields = {"fields": "all", "include": "id,predictions,model_version,result"}
        for task in client.pages("/api/tasks/", project=project_id, **fields, query=query):
            for item in task["predictions"]:
                if item["model_version"] == model and isinstance(item["result"], list):
                    yield int(task["id"]), item["result"]
