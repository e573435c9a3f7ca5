"""The protocol's bodies: requests of Label Studio are parsed, and other bodies get a 4xx and one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from backend.registry.records import MAX_ID
from backend.server.app import create_app
from backend.server.protocol import SetupRequest, project_id_of
from backend.services import Services
from sync.labelling.config import MAX_CHARACTERS

CONFIG = '<View><Image name="image" value="$image"/><Choices name="c" toName="image"><Choice value="Spiral"/></Choices></View>'
TASK = {"id": 1, "data": {"image": "/data/upload/1/nowhere.png"}}
JSON = {"Content-Type": "application/json"}
NEEDED = ("project", "schema", "label_config", "tasks", "action")
BODIES: dict[str, dict[str, Any]] = {
    "/setup": {
        "project": "301.1795415082",
        "schema": CONFIG,
        "hostname": "http://h",
        "access_token": "t",
        "extra_params": None,
    },
    "/predict": {"project": "301.1795415082", "label_config": CONFIG, "tasks": [TASK], "params": {"context": None}},
    "/webhook": {"action": "ANNOTATION_CREATED", "project": {"id": 301, "label_config": CONFIG}, "annotation": {"id": 1}},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def client(predicting: Services) -> Iterator[TestClient]:
    with TestClient(create_app(predicting), raise_server_exceptions=False) as client:
        yield client


def send_rejected(client: TestClient, path: str, content: bytes) -> str:
    """Send a body that must be rejected; return the sentence."""
    answer = client.post(path, content=content, headers=JSON)
    assert answer.status_code == 422, answer.text
    sentence = answer.json()["detail"]
    assert isinstance(sentence, str)
    assert "\n" not in sentence
    assert len(sentence) < 300
    return sentence


def change_body(path: str, **changes: Any) -> bytes:
    return json.dumps(BODIES[path] | changes).encode()


@given(st.integers(1, MAX_ID), st.integers(0, 10**12))
def test_a_project_id_is_read_with_or_without_its_time_of_creation(number: int, changes: int) -> None:
    assert project_id_of(number) == project_id_of(str(number)) == project_id_of(f"{number}.{changes}") == number


@pytest.mark.parametrize("path", BODIES)
def test_the_unchanged_bodies_are_valid(client: TestClient, path: str) -> None:
    assert client.post(path, json=BODIES[path]).status_code == 200


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"NaN",
        b"\xff\xfe{}",
        b'{"project": "\\ud800"}',
        b"[" * 10**5,
        b'{"a":' * 10**5,
    ],
    ids=["empty", "cut", "list", "null", "number", "text", "nan", "not-utf-8", "surrogate", "deep-lists", "deep-objects"],
)
def test_a_body_that_is_not_a_json_object_is_rejected(client: TestClient, path: str, content: bytes) -> None:
    send_rejected(client, path, content)


@pytest.mark.parametrize("path", ["/setup", "/predict"])
@pytest.mark.parametrize(
    "project",
    [None, "", "abc", "-3", -3, 0, "0", 1.5e40, float("nan"), float("inf"), [], {}, True, 10**12, "9" * 5000, "x" * 10**5],
)
def test_an_invalid_project_is_rejected(client: TestClient, path: str, project: Any) -> None:
    assert send_rejected(client, path, change_body(path, project=project)).startswith("project: ")


@pytest.mark.parametrize("project", [None, 7, "abc", [], {}, {"id": None}, {"id": "abc"}, {"id": -3}, {"id": 10**12}])
def test_an_event_without_a_project_is_rejected(client: TestClient, project: Any) -> None:
    assert send_rejected(client, "/webhook", change_body("/webhook", project=project)).startswith("project")


@pytest.mark.parametrize(("path", "field"), [(path, key) for path in BODIES for key in BODIES[path] if key in NEEDED])
def test_a_missing_field_is_named(client: TestClient, path: str, field: str) -> None:
    body = {key: value for key, value in BODIES[path].items() if key != field}
    assert send_rejected(client, path, json.dumps(body).encode()).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/setup", {"schema": None}),
        ("/setup", {"schema": 7}),
        ("/setup", {"schema": "x" * (MAX_CHARACTERS + 1)}),
        ("/setup", {"extra_params": [1]}),
        ("/setup", {"extra_params": "not json"}),
        ("/setup", {"extra_params": "[" * 10**5}),
        ("/setup", {"extra_params": {"strategy": "best"}}),
        ("/setup", {"extra_params": {"rare_first": "yes"}}),
        ("/setup", {"extra_params": {"batch": 0}}),
        ("/setup", {"extra_params": {"bacth": 25}}),
        ("/setup", {"extra_params": {"x" * 10**6: 1}}),
        ("/setup", {"schema": CONFIG + "\0"}),
        ("/predict", {"tasks": None}),
        ("/predict", {"tasks": {}}),
        ("/predict", {"tasks": [None]}),
        ("/predict", {"tasks": [{"id": 1}]}),
        ("/predict", {"tasks": [{"id": "abc", "data": {}}]}),
        ("/predict", {"tasks": [{"id": 1, "data": []}]}),
        ("/predict", {"params": "context"}),
        ("/predict", {"params": {"context": []}}),
        ("/webhook", {"action": None}),
        ("/webhook", {"action": "x" * 1000}),
        ("/webhook", {"project": {"id": 301, "label_config": "\0"}}),
        ("/predict", {"label_config": "\0"}),
    ],
)
def test_a_field_of_the_wrong_type_is_named(client: TestClient, path: str, changes: dict[str, Any]) -> None:
    (name,) = changes
    assert send_rejected(client, path, change_body(path, **changes)).startswith(name)


@pytest.mark.parametrize("path", [*BODIES, "/versions"])
def test_a_body_that_is_too_large_is_rejected(open_services: Callable[..., Services], path: str) -> None:
    small = TestClient(create_app(open_services(max_body_bytes=1000)))
    answer = small.post(path, content=b" " * 1001, headers=JSON)
    assert (answer.status_code, answer.json()) == (413, {"detail": "the body is larger than 1000 bytes"})


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/predict", {"tasks": [{"id": 1, "data": {"image": [[]] * 2000}}]}),
        ("/predict", {"params": {"context": {"result": [{}] * 2000}}}),
        ("/setup", {"extra_params": {"batch": [[]] * 2000}}),
    ],
)
def test_a_body_with_too_many_lists_is_rejected_before_it_is_parsed(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, changes: dict[str, Any]
) -> None:
    monkeypatch.setattr("backend.server.protocol.MAX_LISTS", 1000)
    answer = client.post(path, content=change_body(path, **changes), headers=JSON)
    assert (answer.status_code, answer.json()) == (413, {"detail": "the body has more than 1000 lists and objects"})


def test_an_event_with_an_annotation_of_many_lists_is_accepted(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.server.protocol.MAX_LISTS", 1000)
    assert client.post("/webhook", json=BODIES["/webhook"] | {"annotation": [[]] * 2000}).status_code == 200


@pytest.mark.parametrize("project", ["abc", "-1", "0", "1e9", "99999999999999999999"])
def test_versions_of_an_invalid_project_are_rejected(client: TestClient, project: str) -> None:
    answer = client.get("/versions", params={"project": project})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("project: ")


@pytest.mark.parametrize(
    ("body", "read"), [(None, None), ("", None), ('{"batch": 3}', {"batch": 3}), ({"batch": 3}, {"batch": 3})]
)
def test_extra_params_are_read_as_an_object_or_as_json_text(body: Any, read: Any) -> None:
    assert SetupRequest.model_validate(BODIES["/setup"] | {"extra_params": body}).extra_params == read


@given(value=json_values, path=st.sampled_from(list(BODIES)), data=st.data())
def test_the_answer_is_never_a_traceback_for_any_field_value(
    client: TestClient, value: Any, path: str, data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(list(BODIES[path])))
    answer = client.post(path, content=change_body(path, **{key: value}), headers=JSON)
    assert answer.status_code in (200, 422), answer.text


@given(context=st.fixed_dictionaries({"result": json_values}))
def test_any_context_gets_one_answer(client: TestClient, context: dict[str, Any]) -> None:
    answer = client.post("/predict", content=change_body("/predict", params={"context": context}), headers=JSON)
    assert [prediction["result"] for prediction in answer.json()["results"]] == [[]]


@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook", "/train"])
def test_other_methods_and_paths_are_rejected(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (404, 405)
