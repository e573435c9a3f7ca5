"""Scores of stored predictions are read and changed in place."""

from __future__ import annotations

import pytest

from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.label_studio.scores import StoredScore, read_scores, set_score
from tests.small_label_studio import PROJECT, SmallLabelStudio

VERSION = "v0002-aa"


def test_scores_of_one_version_are_read(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    number = label_studio.predict(label_studio.add_task(1), VERSION, score=0.75)
    label_studio.predict(1, "v0001-aa", score=0.1)
    label_studio.predict(label_studio.add_task(2), "v0001-aa")
    assert read_scores(client, PROJECT, VERSION, task_ids=[1, 2]) == {1: [StoredScore(number, 0.75)]}


def test_a_changed_score_leaves_id_and_result(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    number = label_studio.predict(label_studio.add_task(1), VERSION, result=[{"id": "a"}])
    set_score(client, number, 0.0005)
    (row,) = label_studio.tasks[1]["predictions"]
    assert (row["id"], row["result"], row["score"]) == (number, [{"id": "a"}], 0.0005)


def test_a_prediction_that_is_gone_is_ignored(client: LabelStudioClient) -> None:
    set_score(client, 999, 0.5)


def test_another_error_is_raised(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    number = label_studio.predict(label_studio.add_task(1), VERSION)
    label_studio.refusals[f"PATCH /api/predictions/{number}/"] = (400, {"detail": "no"})
    with pytest.raises(LabelStudioError):
        set_score(client, number, 0.5)
