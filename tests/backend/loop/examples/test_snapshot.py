"""The snapshot: its annotations, its equality, and its held-out tasks."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.loop.examples.held_out import Sides
from backend.loop.examples.snapshot import read_stamps, take_snapshot
from sync.label_studio.annotations import Annotation

REGION = {"from_name": "c", "to_name": "image", "type": "choices", "value": {"choices": ["Spiral"]}}


def annotation(id_: int, task_id: int = 0, *, by: int | None = 1, at: str = "2026-01-01T00:00:00Z", **more: Any) -> Annotation:
    given: dict[str, Any] = {"result": [REGION], "was_cancelled": False} | more
    return Annotation(
        id=id_, task_id=task_id or id_, data={}, updated_at=at, completed_by=by, parent_prediction=None, lead_time=None, **given
    )


annotations = st.lists(
    st.builds(
        annotation,
        st.integers(1, 50),
        st.integers(1, 20),
        by=st.integers(1, 3),
        at=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        was_cancelled=st.booleans(),
        result=st.sampled_from([[], [REGION]]),
    ),
    unique_by=lambda one: one.id,
)


def ids(chosen: tuple[Annotation, ...]) -> list[int]:
    return [one.id for one in chosen]


def test_what_was_submitted_counts() -> None:
    assert ids(take_snapshot([annotation(2), annotation(1)]).annotations) == [1, 2]


@pytest.mark.parametrize("left_out", [{"was_cancelled": True}, {"result": []}], ids=["skipped", "empty"])
def test_what_teaches_nothing_is_left_out(left_out: dict[str, Any]) -> None:
    assert ids(take_snapshot([annotation(1), annotation(2, **left_out)]).annotations) == [1]


def test_of_one_annotators_several_the_newest_counts() -> None:
    old, new = annotation(2, 5, at="2026-01-01T00:00:00Z"), annotation(1, 5, at="2026-01-02T00:00:00Z")
    assert ids(take_snapshot([new, old]).annotations) == [1]


def test_of_several_annotators_each_counts() -> None:
    assert ids(take_snapshot([annotation(1, 5, by=1), annotation(2, 5, by=2)]).annotations) == [1, 2]


def test_where_a_task_has_a_ground_truth_annotation_that_one_alone_counts() -> None:
    true = annotation(1, 5, by=1, at="2026-01-01T00:00:00Z", ground_truth=True)
    later = annotation(2, 5, by=1, at="2026-01-02T00:00:00Z")
    assert ids(take_snapshot([true, later, annotation(3, 5, by=2), annotation(4, 6)]).annotations) == [1, 4]


@given(annotations)
def test_the_order_in_which_they_arrive_does_not_matter(some: list[Annotation]) -> None:
    shuffled = random.Random(0).sample(some, len(some))
    assert take_snapshot(some).fingerprint == take_snapshot(shuffled).fingerprint


tasks = st.frozensets(st.integers(1, 20))


@given(annotations, tasks, tasks)
def test_every_annotation_that_counts_trains_or_judges_or_is_set_aside(
    some: list[Annotation], held_out: frozenset[int], set_aside: frozenset[int]
) -> None:
    snapshot = take_snapshot(some, Sides(held_out, set_aside - held_out))
    aside = [one.id for one in snapshot.annotations if one.task_id in set_aside - held_out]
    assert sorted(ids(snapshot.training) + ids(snapshot.judging) + aside) == sorted(ids(snapshot.annotations))
    assert {one.task_id for one in snapshot.training}.isdisjoint(one.task_id for one in snapshot.judging)


# -- changes --


def test_new_edited_and_deleted_annotations_are_changes() -> None:
    before = take_snapshot([annotation(1), annotation(2), annotation(3)])
    after = take_snapshot([annotation(1), annotation(2, at="2026-01-09T00:00:00Z"), annotation(4)])
    assert after.changes_since(before.stamps) == 3  # 2 edited, 3 deleted, 4 new


@given(annotations)
def test_nothing_has_changed_since_itself(some: list[Annotation]) -> None:
    snapshot = take_snapshot(some)
    assert snapshot.changes_since(snapshot.stamps) == 0
    assert snapshot.changes_since({}) == len(snapshot.annotations)


@given(annotations, annotations)
def test_fingerprints_differ_exactly_where_there_are_changes(some: list[Annotation], others: list[Annotation]) -> None:
    one, other = take_snapshot(some), take_snapshot(others)
    assert (one.fingerprint == other.fingerprint) == (one.changes_since(other.stamps) == 0)


def test_an_annotation_that_becomes_a_skip_is_a_change() -> None:
    submitted = annotation(1)
    skipped = replace(submitted, was_cancelled=True, updated_at="2026-01-02T00:00:00Z")
    assert take_snapshot([skipped]).changes_since(take_snapshot([submitted]).stamps) == 1


def test_a_label_that_was_renamed_without_a_time_is_a_change() -> None:
    before = take_snapshot([annotation(1), annotation(2)])
    renamed = {**REGION, "value": {"choices": ["Disk"]}}
    after = take_snapshot([annotation(1), annotation(2, result=[renamed])])
    assert after.changes_since(before.stamps) == 1
    assert after.fingerprint != before.fingerprint


# -- on disk, and sides --


@given(annotations)
def test_a_saved_snapshot_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, some: list[Annotation]) -> None:
    folder, snapshot = tmp_path_factory.getbasetemp(), take_snapshot(some)
    snapshot.save(folder)
    assert read_stamps(folder) == snapshot.stamps


@given(annotations)
def test_a_snapshot_saved_before_it_held_the_content_still_tells_changes(
    tmp_path_factory: pytest.TempPathFactory, some: list[Annotation]
) -> None:
    folder, snapshot = tmp_path_factory.getbasetemp(), take_snapshot(some)
    rows = [{"annotation": one.id, "task": one.task_id, "updated_at": one.updated_at} for one in snapshot.annotations]
    (folder / "snapshot.json").write_text(json.dumps(rows))
    assert snapshot.changes_since(read_stamps(folder)) == 0
    edited = take_snapshot([replace(one, updated_at="2026-02-01T00:00:00Z") for one in snapshot.annotations])
    assert edited.changes_since(read_stamps(folder)) == len(rows)


def test_a_base_version_has_seen_nothing(tmp_path: Path) -> None:
    assert read_stamps(tmp_path / "v0001") == {}
