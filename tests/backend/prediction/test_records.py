"""Records of the inputs of predictions, and the choice of the tasks that must be predicted."""

from __future__ import annotations

from typing import Any

import pytest

from backend.loop.publication.outdated import RETRY_FAILED_S, choose_tasks
from backend.prediction.records import PredictionRecord, PredictionRecords, data_hash
from backend.services import Services
from sync.label_studio.tasks import Task

NOW = 1_000_000.0
KEYS = {"image"}


def task(number: int, *, image: Any = "a.png", annotated: bool = False, **more: Any) -> Task:
    return Task(number, {"image": image, **more}, annotated, 0, "")


def record(image: Any = "a.png", *, failed_s_ago: float | None = None) -> PredictionRecord:
    return PredictionRecord(data_hash({"image": image}, KEYS), None if failed_s_ago is None else NOW - failed_s_ago)


@pytest.fixture
def records(services: Services) -> PredictionRecords:
    for project in (7, 8):
        services.registry.register_project(project, label_config="<View/>", extra_params=None)
    return PredictionRecords(services.engine)


@pytest.mark.databases
def test_the_last_record_of_a_project_and_version_counts(records: PredictionRecords) -> None:
    first, second = record("a.png", failed_s_ago=5), record("b.png")
    records.write(7, 1, {1: first, 2: first})
    records.write(7, 1, {2: second, 3: second})
    records.write(7, 2, {1: second})
    records.write(8, 1, {})
    assert records.of(7, 1) == {1: first, 2: second, 3: second}
    assert (records.of(7, 2), records.of(8, 1)) == ({1: second}, {})
    records.keep_versions(7, {2, 3})
    assert (records.of(7, 1), records.of(7, 2)) == ({}, {1: second})


@pytest.mark.databases
def test_records_of_many_tasks_are_written_in_one_call(records: PredictionRecords) -> None:
    many = {number: record(f"{number}.png") for number in range(10_000)}
    records.write(7, 1, many)
    assert records.of(7, 1) == many


def test_a_stored_prediction_of_the_same_data_is_not_repeated() -> None:
    assert not choose_tasks([task(1)], {1}, {1: record()}, keys=KEYS, time=NOW)


@pytest.mark.parametrize("records", [{}, {1: record()}, {1: record("of an earlier task with this id")}])
def test_a_task_without_a_prediction_is_predicted_whatever_its_record(records: dict[int, PredictionRecord]) -> None:
    assert choose_tasks([task(1)], set(), records, keys=KEYS, time=NOW).missing_tasks == [task(1)]


@pytest.mark.parametrize("image", ["b.png", ["a.png"], ["a.png", "b.png"], None, {"url": "a.png"}])
def test_another_image_makes_a_prediction_outdated(image: Any) -> None:
    changed_task = task(1, image=image)
    assert choose_tasks([changed_task], {1}, {1: record()}, keys=KEYS, time=NOW).changed_tasks == [changed_task]


def test_a_change_of_other_data_does_not_make_a_prediction_outdated() -> None:
    assert not choose_tasks([task(1, note="seen on Monday")], {1}, {1: record()}, keys=KEYS, time=NOW)


def test_unreadable_images_are_retried_later_oldest_first() -> None:
    records = {
        1: record(failed_s_ago=1),
        2: record(failed_s_ago=2 * RETRY_FAILED_S),
        3: record(failed_s_ago=RETRY_FAILED_S * 9),
    }
    due = choose_tasks([task(1), task(2), task(3)], {1, 2}, records, keys=KEYS, time=NOW)
    assert due.failed_tasks == [task(3), task(2)]
    assert not due.missing_tasks


def test_annotated_tasks_are_not_predicted_again() -> None:
    annotated_tasks = [task(1, annotated=True), task(2, annotated=True, image="b.png")]
    assert not choose_tasks(annotated_tasks, {2}, {2: record()}, keys=KEYS, time=NOW)


def test_predictions_without_a_record_are_accepted() -> None:
    due = choose_tasks([task(1)], {1}, {}, keys=KEYS, time=NOW)
    assert due.unknown_tasks == [task(1)]
    assert not due


def test_a_nested_image_reference_is_hashed_by_its_value() -> None:
    before, after = ({"images": [{"url": name}]} for name in ("a.png", "b.png"))
    assert data_hash(before, ["images[0].url"]) != data_hash(after, ["images[0].url"])
    assert data_hash(before, ["other"]) == data_hash(after, ["other"])
