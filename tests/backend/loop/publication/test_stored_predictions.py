"""The list of stored predictions is read completely only if their number has changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backend.loop.publication.stored_predictions import StoredPredictions
from sync.label_studio.client import LabelStudioClient
from tests.small_label_studio import KEY, PROJECT, SmallLabelStudio

VERSION = "v0002-aa"
TASKS = "GET /api/tasks/"


@pytest.fixture
def client(label_studio: SmallLabelStudio) -> Iterator[LabelStudioClient]:
    for task in (1, 2, 3):
        label_studio.add_task(task)
    label_studio.predict(1, VERSION)
    with LabelStudioClient(label_studio.url, KEY, patience_s=0.2) as client:
        yield client


def update(
    stored_predictions: StoredPredictions, client: LabelStudioClient, *, tasks: set[int], max_age_s: float = 60.0
) -> set[int]:
    stored_predictions.update(client, PROJECT, VERSION, tasks=tasks, max_age_s=max_age_s)
    return set(stored_predictions.scores)


def test_an_unchanged_count_needs_no_list(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    stored_predictions = StoredPredictions()
    assert update(stored_predictions, client, tasks={1, 2, 3}) == {1}
    assert update(stored_predictions, client, tasks={1, 2, 3}) == {1}
    assert label_studio.requests.count(TASKS) == 1


def test_an_old_list_is_read_again(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    stored_predictions = StoredPredictions()
    update(stored_predictions, client, tasks={1, 2, 3})
    update(stored_predictions, client, tasks={1, 2, 3}, max_age_s=0.0)
    assert label_studio.requests.count(TASKS) == 2


def test_a_deleted_and_an_added_prediction_are_found(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    stored_predictions = StoredPredictions()
    update(stored_predictions, client, tasks={1, 2, 3})
    label_studio.tasks[1]["predictions"].clear()
    assert update(stored_predictions, client, tasks={1, 2, 3}) == set()
    label_studio.predict(3, VERSION)
    assert update(stored_predictions, client, tasks={1, 2, 3}) == {3}


def test_a_deleted_task_is_dropped_without_a_list(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    stored_predictions = StoredPredictions()
    update(stored_predictions, client, tasks={1, 2, 3})
    del label_studio.tasks[1]
    assert update(stored_predictions, client, tasks={2, 3}) == set()
    assert label_studio.requests.count(TASKS) == 1


def test_known_duplicates_do_not_cause_a_list_each_time(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.predict(1, VERSION)
    stored_predictions = StoredPredictions()
    update(stored_predictions, client, tasks={1, 2, 3})
    update(stored_predictions, client, tasks={1, 2, 3})
    assert label_studio.requests.count(TASKS) == 1


def test_computed_scores_are_kept_in_a_new_list(client: LabelStudioClient) -> None:
    stored_predictions = StoredPredictions()
    update(stored_predictions, client, tasks={1, 2, 3})
    stored_predictions.scores[1] = 0.25
    update(stored_predictions, client, tasks={1, 2, 3}, max_age_s=0.0)
    assert stored_predictions.scores == {1: 0.25}
