"""Outdated predictions are replaced in place."""

from __future__ import annotations

from typing import Any

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.replacing import replace
from tests.small_label_studio import PROJECT, SmallLabelStudio

VERSION = "v0002-aa"


def prediction(task: int) -> dict[str, Any]:
    return {"task": task, "result": [{"id": "new"}], "score": 0.9, "model_version": VERSION}


def test_a_prediction_is_changed_and_keeps_its_id(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    old = label_studio.predict(label_studio.add_task(1), VERSION)
    assert replace(client, PROJECT, [prediction(1)], parents=()) == {1}
    (row,) = label_studio.tasks[1]["predictions"]
    assert (row["id"], row["result"], row["score"]) == (old, [{"id": "new"}], 0.9)


def test_a_task_without_a_prediction_gets_a_new_one(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.add_task(1)
    assert replace(client, PROJECT, [prediction(1)], parents=()) == {1}
    assert len(label_studio.predictions()[1]) == 1


def test_the_parent_of_an_annotation_is_kept_next_to_the_new_prediction(
    label_studio: SmallLabelStudio, client: LabelStudioClient
) -> None:
    parent = label_studio.predict(label_studio.add_task(1), VERSION)
    assert replace(client, PROJECT, [prediction(1)], parents=[parent]) == {1}
    first, second = label_studio.predictions()[1]
    assert first == (parent, f"{VERSION} (annotated)")
    assert second[1] == VERSION


def test_duplicates_are_deleted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.add_task(1)
    first = label_studio.predict(1, VERSION)
    label_studio.predict(1, VERSION)
    replace(client, PROJECT, [prediction(1)], parents=())
    assert label_studio.predictions()[1] == [(first, VERSION)]


def test_a_rejected_change_is_not_counted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    refused_id = label_studio.predict(label_studio.add_task(1), VERSION)
    label_studio.predict(label_studio.add_task(2), VERSION)
    label_studio.refusals[f"PATCH /api/predictions/{refused_id}/"] = (400, {"detail": "invalid region"})
    assert replace(client, PROJECT, [prediction(1), prediction(2)], parents=()) == {2}


def test_without_predictions_no_request_is_sent(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert replace(client, PROJECT, [], parents=()) == set()
    assert label_studio.requests == []
