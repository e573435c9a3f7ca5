"""Predictions of old versions are deleted, except those that an annotation was made from."""

from __future__ import annotations

from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.pruning import delete_prediction, keep_parent, prune
from tests.small_label_studio import PROJECT, SmallLabelStudio

OLD, LIVE = "v0001-aa", "v0003-aa"


def test_only_the_named_versions_are_deleted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.add_task(1)
    label_studio.predict(1, OLD)
    other_predictions = label_studio.predict(1, LIVE), label_studio.predict(1, "another team's v0001-aa")
    assert prune(client, PROJECT, [OLD, "v0002-aa"]) == 1
    assert [id_ for id_, _ in label_studio.predictions()[1]] == list(other_predictions)


def test_parents_of_annotations_are_kept_and_marked(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.add_task(1)
    label_studio.add_task(2)
    parent = label_studio.predict(1, OLD)
    label_studio.predict(2, OLD)
    label_studio.annotate(1, [], parent_prediction=parent)
    annotations = read_annotations(client, PROJECT)
    assert prune(client, PROJECT, [OLD], annotations=annotations) == 1
    assert label_studio.predictions() == {1: [(parent, f"{OLD} (annotated)")], 2: []}


def test_pruning_stops_on_request(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    for task in (1, 2, 3):
        label_studio.predict(label_studio.add_task(task), OLD)
    answers = iter([True, True, False])
    assert prune(client, PROJECT, [OLD], keep_going=lambda: next(answers)) == 2
    assert [len(rows) for rows in label_studio.predictions().values()] == [0, 0, 1]


def test_a_deleted_prediction_is_ignored(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    delete_prediction(client, 999)
    keep_parent(client, 999, OLD)
    assert label_studio.requests == ["DELETE /api/predictions/999/", "PATCH /api/predictions/999/"]
