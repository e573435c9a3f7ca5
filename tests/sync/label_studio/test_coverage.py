"""The number of open tasks without a prediction."""

from __future__ import annotations

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.coverage import count_unpredicted
from tests.small_label_studio import PROJECT, SmallLabelStudio


def test_open_tasks_without_the_version_are_counted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    for task in (1, 2, 3, 4):
        label_studio.add_task(task)
    label_studio.predict(1, "v0002-aa")
    label_studio.predict(2, "v0001-aa")
    label_studio.annotate(3, [])
    label_studio.annotate(4, [], was_cancelled=True)  # a skipped task stays open
    assert count_unpredicted(client, PROJECT, "v0002-aa") == 2
