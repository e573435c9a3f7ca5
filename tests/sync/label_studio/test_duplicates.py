"""A task keeps one prediction of a version."""

from __future__ import annotations

import pytest

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.duplicates import delete_duplicates
from tests.small_label_studio import PROJECT, SmallLabelStudio

VERSION = "v0002-aa"


@pytest.fixture
def duplicates(label_studio: SmallLabelStudio) -> tuple[int, int]:
    """Return the ids of the two predictions of task 1; task 2 has one."""
    label_studio.add_task(1)
    label_studio.add_task(2)
    label_studio.predict(2, VERSION)
    return label_studio.predict(1, VERSION), label_studio.predict(1, VERSION)


def test_the_oldest_prediction_is_kept(
    label_studio: SmallLabelStudio, client: LabelStudioClient, duplicates: tuple[int, int]
) -> None:
    assert delete_duplicates(client, PROJECT, VERSION) == [1]
    assert label_studio.predictions()[1] == [(duplicates[0], VERSION)]
    assert len(label_studio.predictions()[2]) == 1


def test_the_parent_of_an_annotation_is_kept(
    label_studio: SmallLabelStudio, client: LabelStudioClient, duplicates: tuple[int, int]
) -> None:
    label_studio.annotate(1, [], parent_prediction=duplicates[1])
    delete_duplicates(client, PROJECT, VERSION)
    assert label_studio.predictions()[1] == [(duplicates[1], VERSION)]


def test_a_second_parent_is_kept_under_another_version(
    label_studio: SmallLabelStudio, client: LabelStudioClient, duplicates: tuple[int, int]
) -> None:
    for parent in duplicates:
        label_studio.annotate(1, [], parent_prediction=parent)
    delete_duplicates(client, PROJECT, VERSION)
    assert label_studio.predictions()[1] == [(duplicates[0], VERSION), (duplicates[1], f"{VERSION} (annotated)")]


def test_without_duplicates_nothing_is_deleted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.predict(label_studio.add_task(1), VERSION)
    assert delete_duplicates(client, PROJECT, VERSION) == []
    assert not [request for request in label_studio.requests if request.startswith("DELETE")]
