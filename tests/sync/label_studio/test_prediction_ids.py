"""Ids of stored predictions, by task."""

from __future__ import annotations

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.prediction_ids import prediction_ids
from tests.small_label_studio import PROJECT, SmallLabelStudio


def test_ids_are_listed_by_task_for_one_version(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    for task in (1, 2, 3):
        label_studio.add_task(task)
    first, second = label_studio.predict(1, "v0001-aa"), label_studio.predict(1, "v0001-aa")
    third = label_studio.predict(2, "v0001-aa")
    label_studio.predict(3, "v0002-aa")
    assert prediction_ids(client, PROJECT, "v0001-aa") == {1: [first, second], 2: [third]}
    assert prediction_ids(client, PROJECT, "v0001-aa", task_ids=[2, 3]) == {2: [third]}


def test_many_tasks_are_requested_in_parts(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    expected = {label_studio.add_task(task): [label_studio.predict(task, "v0001-aa")] for task in range(1, 151)}
    assert prediction_ids(client, PROJECT, "v0001-aa", task_ids=expected) == expected
    assert label_studio.requests.count("GET /api/tasks/") == 2


def test_without_tasks_no_request_is_sent(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert prediction_ids(client, PROJECT, "v0001-aa", task_ids=[]) == {}
    assert label_studio.requests == []
