"""Selection of the open tasks that a version must predict."""

from __future__ import annotations

import pytest

from backend.loop.publication.outdated import RETRY_FAILED_S, ToPredict, choose_tasks
from backend.prediction.records import PredictionRecord, data_hash
from sync.label_studio.tasks import Task

NOW = 1000.0
TASK = Task(1, {"image": "a.png"}, annotated=False, annotations=0, updated_at="")
DONE = Task(1, {"image": "a.png"}, annotated=True, annotations=1, updated_at="")
HASH, OTHER_HASH = data_hash({"image": "a.png"}, ["image"]), data_hash({"image": "b.png"}, ["image"])


@pytest.mark.parametrize(
    ("task", "predicted", "record", "choice"),
    [
        pytest.param(TASK, False, None, ToPredict(missing_tasks=[TASK]), id="new task"),
        pytest.param(TASK, True, PredictionRecord(HASH), ToPredict(), id="predicted"),
        pytest.param(TASK, True, None, ToPredict(unknown_tasks=[TASK]), id="predicted by a release without records"),
        pytest.param(TASK, False, PredictionRecord(HASH), ToPredict(missing_tasks=[TASK]), id="prediction was deleted"),
        pytest.param(TASK, True, PredictionRecord(OTHER_HASH), ToPredict(changed_tasks=[TASK]), id="another image"),
        pytest.param(TASK, False, PredictionRecord(OTHER_HASH), ToPredict(missing_tasks=[TASK]), id="id of a deleted task"),
        pytest.param(TASK, True, PredictionRecord(HASH, NOW - RETRY_FAILED_S), ToPredict(failed_tasks=[TASK]), id="failed"),
        pytest.param(TASK, True, PredictionRecord(HASH, NOW - 1), ToPredict(), id="failed just now"),
        pytest.param(TASK, True, PredictionRecord(HASH, NOW + 3600), ToPredict(failed_tasks=[TASK]), id="clock was set back"),
        pytest.param(DONE, False, None, ToPredict(), id="annotated"),
    ],
)
def test_tasks_are_sorted_by_the_state_of_their_predictions(
    task: Task, predicted: bool, record: PredictionRecord | None, choice: ToPredict
) -> None:
    records = {} if record is None else {task.id: record}
    assert choose_tasks([task], {task.id} if predicted else (), records, keys=["image"], time=NOW) == choice


def test_the_failed_task_that_was_tried_longest_ago_comes_first() -> None:
    tasks = [Task(number, {"image": "a.png"}, False, 0, "") for number in (1, 2, 3)]
    records = {1: PredictionRecord(HASH, 30.0), 2: PredictionRecord(HASH, 10.0), 3: PredictionRecord(HASH, 20.0)}
    choice = choose_tasks(tasks, {1, 2, 3}, records, keys=["image"], time=NOW)
    assert [task.id for task in choice.failed_tasks] == [2, 3, 1]
