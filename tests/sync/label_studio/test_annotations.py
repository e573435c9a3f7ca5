"""Annotations as Label Studio lists them, complete and broken."""

from __future__ import annotations

from typing import Any

import pytest

from sync.label_studio.annotations import annotations_of

GOOD: dict[str, Any] = {
    "id": 7,
    "result": [{"type": "choices"}],
    "updated_at": "2026-11-23T14:56:13.656721Z",
    "completed_by": 3,
    "was_cancelled": False,
    "parent_prediction": None,
    "lead_time": 4.5,
}


def task(*annotations: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": "/data/upload/1/x.png"}, "annotations": list(annotations)}


def test_a_complete_annotation_keeps_all_fields() -> None:
    (annotation,) = annotations_of(task(GOOD))
    assert (annotation.id, annotation.task_id, annotation.completed_by, annotation.lead_time) == (7, 1, 3, 4.5)
    assert annotation.result == [{"type": "choices"}]
    assert not annotation.was_cancelled


@pytest.mark.parametrize(
    "damaged_row",
    [
        None,
        "text",
        {},
        GOOD | {"id": "x"},
        GOOD | {"result": "text"},
        GOOD | {"result": [1, 2]},
        GOOD | {"result": {"type": "choices"}},
        GOOD | {"lead_time": []},
        {name: value for name, value in GOOD.items() if name != "updated_at"},
    ],
)
def test_a_malformed_annotation_is_logged_and_left_out(damaged_row: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert [note.id for note in annotations_of(task(damaged_row, GOOD))] == [7]
    assert "annotation_left_out task=1" in caplog.text


def test_the_annotator_may_be_an_object() -> None:
    assert annotations_of(task(GOOD | {"completed_by": {"id": 9, "email": "a@b.c"}}))[0].completed_by == 9


def test_a_skipped_task_has_no_result_and_is_marked() -> None:
    (annotation,) = annotations_of(task(GOOD | {"result": None, "was_cancelled": True}))
    assert annotation.was_cancelled
    assert annotation.result == []
