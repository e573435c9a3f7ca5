"""Predictions are stored once per task and version, found, and counted."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sync.label_studio.client import LabelStudioClient, LabelStudioUnavailable
from sync.label_studio.predictions import count_predictions, predicted_tasks, push, version_counts
from tests.small_label_studio import PROJECT, SmallLabelStudio

IMPORT = f"POST /api/projects/{PROJECT}/import/predictions"


def prediction(task: int, version: str = "v0002-aa") -> dict[str, Any]:
    return {"task": task, "result": [], "score": 0.5, "model_version": version}


@pytest.fixture
def four_tasks(label_studio: SmallLabelStudio) -> SmallLabelStudio:
    for task in (1, 2, 3, 4):
        label_studio.add_task(task)
    return label_studio


def test_a_repeated_push_stores_nothing_twice(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert push(client, PROJECT, [prediction(1), prediction(2)]) == 2
    assert push(client, PROJECT, [prediction(1), prediction(2), prediction(3)]) == 3
    assert [len(rows) for rows in four_tasks.predictions().values()] == [1, 1, 1, 0]


def test_each_version_of_a_push_is_stored(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert push(client, PROJECT, [prediction(1, "v0001-aa"), prediction(1, "v0002-aa")]) == 2
    assert version_counts(client, PROJECT) == {"v0001-aa": 1, "v0002-aa": 1}


def test_two_predictions_per_task_and_version_are_an_error(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    with pytest.raises(ValueError, match="2 predictions of version v0002-aa are for 1 tasks"):
        push(client, PROJECT, [prediction(1), prediction(1)])


def test_large_pushes_are_cut_into_chunks(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert push(client, PROJECT, [prediction(task) for task in (1, 2, 3, 4)], chunk=3) == 4
    assert four_tasks.requests.count(IMPORT) == 2


def test_a_deleted_task_does_not_keep_the_others_from_being_stored(
    four_tasks: SmallLabelStudio, client: LabelStudioClient
) -> None:
    assert push(client, PROJECT, [prediction(1), prediction(99), prediction(3)]) == 2
    assert predicted_tasks(client, PROJECT, "v0002-aa") == {1, 3}


def test_a_rejected_prediction_is_logged_with_the_reason(
    four_tasks: SmallLabelStudio, client: LabelStudioClient, caplog: pytest.LogCaptureFixture
) -> None:
    four_tasks.refusals[IMPORT] = (400, {"detail": "invalid region"})
    with caplog.at_level(logging.ERROR):
        assert push(client, PROJECT, [prediction(1)]) == 0
    assert "task=1" in caplog.text
    assert "invalid region" in caplog.text


def test_a_server_error_ends_a_push(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    four_tasks.refusals[IMPORT] = (500, {"detail": "database is locked"})
    with pytest.raises(LabelStudioUnavailable, match="database is locked"):
        push(client, PROJECT, [prediction(1)])


def test_a_version_with_the_same_prefix_is_not_counted(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    four_tasks.predict(1, "v0002-aa (annotated)")
    four_tasks.predict(2, "v0002-aa")
    assert predicted_tasks(client, PROJECT, "v0002-aa") == {2}
    assert count_predictions(client, PROJECT, "v0002-aa") == 1
    assert count_predictions(client, PROJECT, "v0003-aa") == 0


def test_only_the_named_tasks_are_found(four_tasks: SmallLabelStudio, client: LabelStudioClient) -> None:
    for task in (1, 2, 3):
        four_tasks.predict(task, "v0002-aa")
    assert predicted_tasks(client, PROJECT, "v0002-aa", task_ids=[2, 4]) == {2}


def test_a_list_of_versions_that_is_cut_off_is_read_completely(
    four_tasks: SmallLabelStudio, client: LabelStudioClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.label_studio.predictions._LISTED_CHARS", 12)
    four_tasks.predict(1, "v0002-aa (annotated)")
    four_tasks.predict(2, "v0002-aab")
    four_tasks.predict(2, "v0002-aa")
    assert predicted_tasks(client, PROJECT, "v0002-aa") == {2}
