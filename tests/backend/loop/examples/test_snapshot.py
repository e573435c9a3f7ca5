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
    fields: dict[str, Any] = {"result": [REGION], "was_cancelled": False} | more
    return Annotation(
        id=id_,
        task_id=task_id or id_,
        data={},
        updated_at=at,
        completed_by=by,
        parent_prediction=None,
        lead_time=None,
        **fields,
    )


drawn_annotations = st.lists(
    st.builds(
        annotation,
        st.integers(1, 50),
        st.integers(1, 20),
        by=st.integers(1, 3),
        at=st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
        was_cancelled=st.booleans(),
        result=st.sampled_from([[], [REGION]]),
    ),
    unique_by=lambda annotation: annotation.id,
)


def ids(annotations: tuple[Annotation, ...]) -> list[int]:
    return [annotation.id for annotation in annotations]


def test_submitted_annotations_count() -> None:
    assert ids(take_snapshot([annotation(2), annotation(1)]).annotations) == [1, 2]


@pytest.mark.parametrize("left_out", [{"was_cancelled": True}, {"result": []}], ids=["skipped", "empty"])
def test_skipped_and_empty_annotations_are_left_out(left_out: dict[str, Any]) -> None:
    assert ids(take_snapshot([annotation(1), annotation(2, **left_out)]).annotations) == [1]


def test_the_newest_annotation_of_an_annotator_counts() -> None:
    old, new = annotation(2, 5, at="2026-01-01T00:00:00Z"), annotation(1, 5, at="2026-01-02T00:00:00Z")
    assert ids(take_snapshot([new, old]).annotations) == [1]


def test_the_annotations_of_several_annotators_all_count() -> None:
    assert ids(take_snapshot([annotation(1, 5, by=1), annotation(2, 5, by=2)]).annotations) == [1, 2]


def test_only_the_ground_truth_of_a_task_counts_if_it_has_one() -> None:
    true = annotation(1, 5, by=1, at="2026-01-01T00:00:00Z", ground_truth=True)
    later = annotation(2, 5, by=1, at="2026-01-02T00:00:00Z")
    assert ids(take_snapshot([true, later, annotation(3, 5, by=2), annotation(4, 6)]).annotations) == [1, 4]


@given(drawn_annotations)
def test_the_order_of_annotations_does_not_matter(submissions: list[Annotation]) -> None:
    shuffled_submissions = random.Random(0).sample(submissions, len(submissions))
    assert take_snapshot(submissions).fingerprint == take_snapshot(shuffled_submissions).fingerprint


tasks = st.frozensets(st.integers(1, 20))


@given(drawn_annotations, tasks, tasks)
def test_every_annotation_is_for_training_or_validation_or_set_aside(
    submissions: list[Annotation], held_out: frozenset[int], set_aside: frozenset[int]
) -> None:
    snapshot = take_snapshot(submissions, Sides(held_out, set_aside - held_out))
    aside = [note.id for note in snapshot.annotations if note.task_id in set_aside - held_out]
    assert sorted(ids(snapshot.training) + ids(snapshot.validation) + aside) == sorted(ids(snapshot.annotations))
    assert {note.task_id for note in snapshot.training}.isdisjoint(note.task_id for note in snapshot.validation)


# -- changes --


def test_new_edited_and_deleted_annotations_are_changes() -> None:
    before = take_snapshot([annotation(1), annotation(2), annotation(3)])
    after = take_snapshot([annotation(1), annotation(2, at="2026-01-09T00:00:00Z"), annotation(4)])
    assert after.changes_since(before.stamps) == 3  # 2 edited, 3 deleted, 4 new


@given(drawn_annotations)
def test_a_snapshot_has_no_changes_since_itself(submissions: list[Annotation]) -> None:
    snapshot = take_snapshot(submissions)
    assert snapshot.changes_since(snapshot.stamps) == 0
    assert snapshot.changes_since({}) == len(snapshot.annotations)


@given(drawn_annotations, drawn_annotations)
def test_fingerprints_differ_exactly_if_there_are_changes(submissions: list[Annotation], others: list[Annotation]) -> None:
    first, second = take_snapshot(submissions), take_snapshot(others)
    assert (first.fingerprint == second.fingerprint) == (first.changes_since(second.stamps) == 0)


def test_a_later_skip_is_a_change() -> None:
    submissions = annotation(1)
    skip = replace(submissions, was_cancelled=True, updated_at="2026-01-02T00:00:00Z")
    assert take_snapshot([skip]).changes_since(take_snapshot([submissions]).stamps) == 1


def test_a_renamed_label_is_a_change_though_the_time_is_the_same() -> None:
    before = take_snapshot([annotation(1), annotation(2)])
    other_region = {**REGION, "value": {"choices": ["Disk"]}}
    after = take_snapshot([annotation(1), annotation(2, result=[other_region])])
    assert after.changes_since(before.stamps) == 1
    assert after.fingerprint != before.fingerprint


# -- on disk, and sides --


@given(drawn_annotations)
def test_a_saved_snapshot_is_read_unchanged(tmp_path_factory: pytest.TempPathFactory, submissions: list[Annotation]) -> None:
    folder, snapshot = tmp_path_factory.getbasetemp(), take_snapshot(submissions)
    snapshot.save(folder)
    assert read_stamps(folder) == snapshot.stamps


@given(drawn_annotations)
def test_a_snapshot_of_an_earlier_release_detects_changes_by_time(
    tmp_path_factory: pytest.TempPathFactory, submissions: list[Annotation]
) -> None:
    folder, snapshot = tmp_path_factory.getbasetemp(), take_snapshot(submissions)
    rows = [{"annotation": note.id, "task": note.task_id, "updated_at": note.updated_at} for note in snapshot.annotations]
    (folder / "snapshot.json").write_text(json.dumps(rows))
    assert snapshot.changes_since(read_stamps(folder)) == 0
    edited_snapshot = take_snapshot(
        [replace(annotation, updated_at="2026-02-01T00:00:00Z") for annotation in snapshot.annotations]
    )
    assert edited_snapshot.changes_since(read_stamps(folder)) == len(rows)


def test_the_base_version_has_no_stamps(tmp_path: Path) -> None:
    assert read_stamps(tmp_path / "v0001") == {}
