"""A failed attachment leaves the project as it was."""

from __future__ import annotations

import logging

import pytest

from sync.label_studio.attach import attach_backend
from sync.label_studio.attach_undo import undo_on_failure
from sync.label_studio.client import LabelStudioClient
from tests.small_label_studio import PROJECT, SmallLabelStudio


def attach_and_fail(client: LabelStudioClient) -> None:
    with undo_on_failure(client, PROJECT):
        attach_backend(client, PROJECT, url="http://10.0.0.7:9090", title="v0001-aa")
        raise RuntimeError("the next step failed")


def test_new_backends_are_deleted_and_settings_restored(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    label_studio.backends[1] = {"id": 1, "url": "http://10.0.0.8:9090"}
    label_studio.project["model_version"] = "another team's"
    with pytest.raises(RuntimeError, match="the next step failed"):
        attach_and_fail(client)
    assert list(label_studio.backends) == [1]
    assert label_studio.webhooks == {}
    assert label_studio.project["model_version"] == "another team's"


def test_a_successful_attachment_is_kept(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    with undo_on_failure(client, PROJECT):
        attach_backend(client, PROJECT, url="http://10.0.0.7:9090", title="v0001-aa")
    assert (len(label_studio.backends), len(label_studio.webhooks)) == (1, 1)


def test_a_failed_undo_is_logged_and_the_first_error_is_raised(
    label_studio: SmallLabelStudio, client: LabelStudioClient, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        with undo_on_failure(client, PROJECT):
            label_studio.refusals["GET /api/webhooks/"] = (403, {"detail": "forbidden"})
            raise RuntimeError("the first error")

    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="the first error"):
        fail()
    assert f"event=attach_not_undone project={PROJECT}" in caplog.text
