"""The backend's row, its webhook and the shown version in Label Studio."""

from __future__ import annotations

import pytest

from sync.label_studio.attach import (
    NotAttachedError,
    attach_backend,
    check_attachment,
    detach_backend,
    event_headers,
    find_other_backend,
    rename_backend,
    show_predictions,
)
from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable
from tests.small_label_studio import PROJECT, SmallLabelStudio

URL = "http://10.0.0.7:9090"
AUTH = ("galaxyloop", "a-password")


def attach(client: LabelStudioClient, *, title: str = "v0001-aa", secret: str = "a-secret") -> int:
    return attach_backend(client, PROJECT, url=f"{URL}/", title=title, basic_auth=AUTH, webhook_secret=secret)


def changes(label_studio: SmallLabelStudio) -> list[str]:
    return [request for request in label_studio.requests if not request.startswith("GET")]


def test_attaching_creates_a_backend_and_a_webhook_and_shows_the_version(
    label_studio: SmallLabelStudio, client: LabelStudioClient
) -> None:
    number = attach(client)
    row, hook = label_studio.backends[number], next(iter(label_studio.webhooks.values()))
    assert (row["url"], row["title"], row["is_interactive"]) == (URL, "v0001-aa", True)
    assert (row["auth_method"], row["basic_auth_user"], row["basic_auth_pass"]) == ("BASIC_AUTH", *AUTH)
    assert (hook["url"], hook["send_for_all_actions"]) == (f"{URL}/webhook", True)
    assert hook["headers"] == event_headers(AUTH, "a-secret")
    assert label_studio.project["model_version"] == "v0001-aa"


def test_attaching_twice_changes_nothing(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    first = attach(client)
    before = len(changes(label_studio))
    assert attach(client) == first
    assert len(changes(label_studio)) == before


def test_a_changed_secret_is_sent_to_backend_and_webhook(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    attach(client)
    before = len(changes(label_studio))
    attach(client, secret="another")
    assert [request.split()[0] for request in changes(label_studio)[before:]] == ["PATCH", "PATCH"]
    (hook,) = label_studio.webhooks.values()
    assert hook["headers"] == event_headers(AUTH, "another")


def test_duplicate_backends_are_deleted(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    first = attach(client)
    label_studio.backends[label_studio.new_id()] = dict(label_studio.backends[first])
    label_studio.webhooks[label_studio.new_id()] = dict(next(iter(label_studio.webhooks.values())))
    attach(client)
    assert (len(label_studio.backends), len(label_studio.webhooks)) == (1, 1)


@pytest.mark.parametrize(
    ("detail", "kind", "sentence"),
    [
        pytest.param("Can't connect to ML backend", LabelStudioUnavailable, "does not reach the backend", id="down"),
        pytest.param("URL resolves to a reserved network address", LabelStudioError, "LABEL_STUDIO_ML_BLOCK", id="blocked"),
        pytest.param("something else", LabelStudioError, "something else", id="other"),
    ],
)
def test_a_rejected_request_explains_the_remedy(
    label_studio: SmallLabelStudio,
    client: LabelStudioClient,
    detail: str,
    kind: type[LabelStudioError],
    sentence: str,
) -> None:
    label_studio.refusals["POST /api/ml"] = (400, {"detail": detail})
    with pytest.raises(kind, match=sentence):
        attach(client)


def test_renaming_sends_url_and_user_with_the_title(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    number = attach(client)
    rename_backend(client, PROJECT, url=URL, title="v0002-aa")
    row = label_studio.backends[number]
    assert (row["title"], row["url"], row["basic_auth_user"], row["basic_auth_pass"]) == ("v0002-aa", URL, AUTH[0], "")
    assert label_studio.project["model_version"] == "v0002-aa"


def test_a_project_without_the_backend_cannot_be_renamed(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    with pytest.raises(NotAttachedError, match=f"project {PROJECT} has no backend at {URL}: attach it first"):
        rename_backend(client, PROJECT, url=URL, title="v0002-aa")


def test_detaching_deletes_backend_and_webhook(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    attach(client)
    assert all(check_attachment(client, PROJECT, url=URL))
    assert detach_backend(client, PROJECT, url=URL)
    assert (label_studio.backends, label_studio.webhooks) == ({}, {})
    assert not detach_backend(client, PROJECT, url=URL)


def test_an_earlier_backend_of_another_team_is_named(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    assert find_other_backend(client, PROJECT, url=URL) == ""
    label_studio.backends[1] = {"id": 1, "url": "http://10.0.0.8:9090/"}
    attach(client)
    assert find_other_backend(client, PROJECT, url=URL) == "http://10.0.0.8:9090"


def test_a_shown_version_is_not_sent_again(label_studio: SmallLabelStudio, client: LabelStudioClient) -> None:
    show_predictions(client, PROJECT, version="v0002-aa")
    show_predictions(client, PROJECT, version="v0002-aa")
    assert changes(label_studio) == [f"PATCH /api/projects/{PROJECT}/"]


def test_event_headers_contain_configured_credentials_only() -> None:
    assert event_headers(None, None) == {}
    assert event_headers(("a", "b"), "s") == {"Authorization": "Basic YTpi", "X-Galaxyloop-Webhook-Secret": "s"}
