"""The server, in-process: captured requests of Label Studio, and the rules for all requests."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from label_studio_sdk.label_interface import LabelInterface
from PIL import Image
from sqlalchemy import event

from backend.jobs.heartbeat import Heartbeat
from backend.server.app import create_app
from backend.services import Services
from sync.controls import CONTROLS
from sync.label_studio.validation import check_prediction
from sync.labelling.config import MAX_CHARACTERS, parse

REQUESTS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data/label_studio_requests.json").read_text())
CAPTURED_AT = "http://127.0.0.1:8380"
"""URL of Label Studio in the captured requests; the tests replace it with that of the file server."""
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="c" toName="image">'
    '<Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>'
)
PROJECTS = count(100_000)


@pytest.fixture(scope="module")
def client(predicting: Services) -> Iterator[TestClient]:
    with TestClient(create_app(predicting)) as client:
        yield client


def requests(path: str, kind: Callable[[dict[str, Any]], bool] = lambda body: True) -> list[Any]:
    """Return the captured requests to a path, as parameters."""
    requests = [request for request in REQUESTS if request["path"] == path and kind(request["body"] or {})]
    assert requests, f"no captured request to {path} of this kind"
    return [pytest.param(request, id=str(REQUESTS.index(request))) for request in requests]


def send(client: TestClient, request: dict[str, Any], files: Any, png: Callable[..., bytes]) -> Any:
    """Send a captured request after storing the images of its tasks."""
    body = json.loads(json.dumps(request["body"]).replace(CAPTURED_AT, files.url))
    for task in (body or {}).get("tasks", []):
        reference = task.get("data", {}).get("image", "").removeprefix(files.url)
        files.put(reference, png(spots=((150, 52, 8), (60, 50, 6), (140, 67, 5))))
    headers = {name: value for name, value in request["headers"].items() if name in ("User-Agent", "Content-Type")}
    answer = client.request(request["method"], request["path"], json=body, headers=headers)
    assert answer.status_code == 200
    return answer.json()


def prompts(body: dict[str, Any]) -> list[Any] | None:
    context = body["params"]["context"]
    return None if context is None else context["result"]


def setup(client: TestClient, project: str | int, config: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/setup", json={"project": str(project), "schema": config} | more).json()
    return answer


def predict(client: TestClient, references: list[Any], *, config: str = CONFIG, project: int = 599, **params: Any) -> Any:
    tasks = [{"id": number, "data": {"image": reference}} for number, reference in enumerate(references, start=1)]
    body = {"project": str(project), "label_config": config, "tasks": tasks, "params": params}
    return client.post("/predict", json=body).json()


# -- captured requests --


@pytest.mark.parametrize("request_", requests("/health"))
def test_health_reports_up(client: TestClient, files: Any, png: Any, request_: dict[str, Any]) -> None:
    assert send(client, request_, files, png)["status"] == "UP"


@pytest.mark.parametrize("request_", requests("/setup"))
def test_setup_returns_the_live_version(client: TestClient, files: Any, png: Any, request_: dict[str, Any]) -> None:
    assert re.fullmatch(r"v0001-[0-9a-f]{6}", send(client, request_, files, png)["model_version"])


@pytest.mark.parametrize("request_", requests("/predict", lambda body: prompts(body) is None))
def test_each_task_gets_one_valid_prediction(client: TestClient, files: Any, png: Any, request_: dict[str, Any]) -> None:
    body = request_["body"]
    config, version = body["label_config"], setup(client, body["project"], body["label_config"])["model_version"]
    results = send(client, request_, files, png)["results"]
    assert len(results) == len(body["tasks"])
    for prediction in results:
        assert prediction["result"]
        assert prediction["model_version"] == version
        assert check_prediction(prediction, parse(config), LabelInterface(config)) == []


def labels(body: dict[str, Any]) -> set[str]:
    return {label for prompt in prompts(body) or [] for label in prompt["value"][prompt["type"]]}


@pytest.mark.parametrize("request_", requests("/predict", lambda body: bool(prompts(body)) and labels(body) == {"Arm"}))
def test_each_prompt_gets_a_mask_with_a_new_id(client: TestClient, files: Any, png: Any, request_: dict[str, Any]) -> None:
    config, known_ids = request_["body"]["label_config"], {prompt["id"] for prompt in prompts(request_["body"]) or []}
    for _ in range(2):
        (prediction,) = send(client, request_, files, png)["results"]
        (region,) = prediction["result"]
        assert (region["from_name"], region["type"]) == ("mask", "brushlabels")
        assert region["value"]["brushlabels"] == ["Arm"]
        assert region["id"] not in known_ids
        assert check_prediction(prediction, parse(config), LabelInterface(config)) == []
        known_ids.add(region["id"])


@pytest.mark.parametrize("request_", requests("/predict", lambda body: "Star" in labels(body)))
def test_a_prompt_with_a_label_without_mask_gets_no_region(
    client: TestClient, files: Any, png: Callable[..., bytes], request_: dict[str, Any]
) -> None:
    assert [prediction["result"] for prediction in send(client, request_, files, png)["results"]] == [[]]


@pytest.mark.parametrize("request_", requests("/predict", lambda body: prompts(body) == []))
def test_a_context_without_prompts_gets_no_region(client: TestClient, files: Any, png: Any, request_: dict[str, Any]) -> None:
    answer = send(client, request_, files, png)
    assert [prediction["result"] for prediction in answer["results"]] == [[]]
    assert answer["model_version"] == answer["results"][0]["model_version"]
    assert answer["model_version"].startswith("v0001-")


def test_what_the_server_remembers_of_projects_is_bounded(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.server.state.MOST_PROJECTS", 3)
    app = create_app(services)
    client = TestClient(app)
    for project in range(1, 7):
        config = f"<View><Header value='{project}'/></View>"
        setup(client, project, config)
        event_body = {"action": "PROJECT_UPDATED", "project": {"id": project, "label_config": config}}
        assert client.post("/webhook", json=event_body).status_code == 200
    state = app.state.server
    assert set(state.event_configs) == set(state.logged_warnings) == {4, 5, 6}
    assert max(map(len, state.event_configs.values())) == 16


def test_a_warning_names_a_bounded_number_of_controls(client: TestClient) -> None:
    controls = "".join(f'<Choices name="c{number}" toName="image"/>' for number in range(1000))
    warning = setup(client, 598, f'<View><Image name="image" value="$image"/>{controls}</View>')["warning"]
    assert len(warning) < 4000
    assert warning.endswith("; and 980 more")


@pytest.mark.parametrize("request_", requests("/webhook"))
def test_an_event_marks_the_project_and_queues_a_job(
    services: Services, files: Any, png: Any, request_: dict[str, Any]
) -> None:
    project = request_["body"]["project"]["id"]
    assert send(TestClient(create_app(services)), request_, files, png) == {"status": "accepted"}
    assert set(services.pending_events.pending()) == services.queue.list_queued() == {project}
    is_requested = services.registry.project(project).training_requested_at is not None
    assert is_requested == (request_["body"]["action"] == "START_TRAINING")
    assert request_["body"]["project"]["label_config"] == services.registry.project(project).label_config


@pytest.mark.parametrize("request_", requests("/versions"))
def test_versions_are_returned_as_a_list(client: TestClient, files: Any, png: Any, request_: dict[str, Any]) -> None:
    assert any(name.startswith("v0001-") for name in send(client, request_, files, png)["versions"])


# -- versions and setup --


def test_setup_versions_and_predictions_return_the_same_version(client: TestClient, predicting: Services, files: Any) -> None:
    project, registry = next(PROJECTS), predicting.registry
    for _ in range(2):
        name = setup(client, project, CONFIG)["model_version"]
        assert name == registry.project(project).live_name
        assert predict(client, [""], project=project)["results"][0]["model_version"] == name
        with registry.create_version(project, label_config=CONFIG, fingerprint="", learned_from=0) as (folder, number):
            (folder / "heads.json").write_text("{}")
        registry.promote(project, number)
    for answer in (client.get("/versions", params={"project": project}), client.post("/versions", json={"project": project})):
        assert answer.json() == {"versions": [version.name for version in registry.versions(project)]}
    assert client.post("/versions").json() == client.get("/versions").json()


@pytest.mark.parametrize(
    "config", ["<View/>", "<View>", "", '<!DOCTYPE x [<!ENTITY a "b">]><View>&a;</View>', "<View>" * 10**5]
)
def test_a_config_without_a_supported_control_gets_a_warning(client: TestClient, config: str) -> None:
    project = next(PROJECTS)
    answer = setup(client, project, config)
    assert answer["model_version"].startswith("v0001-")
    assert all(tag in answer["warning"] for tag in CONTROLS)
    assert predict(client, [""], config=config, project=project)["results"][0]["result"] == []


def test_a_new_config_marks_the_project(client: TestClient, predicting: Services) -> None:
    project = next(PROJECTS)
    setup(client, project, CONFIG)
    predicting.pending_events.acknowledge(project, predicting.pending_events.pending()[project])
    setup(client, project, CONFIG)
    assert project not in predicting.pending_events.pending()
    setup(client, project, CONFIG.replace("Spiral", "Ring"))
    assert project in predicting.pending_events.pending()


def test_the_batch_of_a_project_is_set_by_setup_and_kept(client: TestClient, predicting: Services) -> None:
    project = next(PROJECTS)
    setup(client, project, CONFIG, extra_params={"batch": 25})
    setup(client, project, CONFIG, extra_params=None)  # as Label Studio does when the backend is renamed
    assert predicting.registry.project(project).extra_params == {"batch": 25}


# -- predictions --


def test_a_broken_image_empties_only_its_own_prediction(client: TestClient, files: Any, png: Callable[..., bytes]) -> None:
    good = files.put("/data/upload/6/good.png", png())
    bad = [
        files.put("/data/upload/6/text.png", b"text"),
        "/data/upload/6/missing.png",
        "/data/upload/../../api/x",
        "",
        None,
        7,
        [],
    ]
    results = predict(client, [good, *bad, good])["results"]
    assert [bool(prediction["result"]) for prediction in results] == [True, *[False] * len(bad), True]
    assert all(0 <= prediction["score"] <= 1 for prediction in results)


def test_an_image_that_is_too_long_empties_only_its_own_prediction(
    client: TestClient, predicting: Services, files: Any, png: Callable[..., bytes]
) -> None:
    strip = io.BytesIO()
    Image.new("1", (20_001, 1)).save(strip, "PNG")
    good, bad = files.put("/data/upload/6/good.png", png()), files.put("/data/upload/6/strip.png", strip.getvalue())
    config = CONFIG.replace(
        "</View>", '<RectangleLabels name="r" toName="image"><Label value="Galaxy"/></RectangleLabels></View>'
    )
    tasks = [{"id": number, "data": {"image": image}} for number, image in enumerate([good, bad, good], start=1)]
    body = {"tasks": tasks, "project": f"{next(PROJECTS)}.1", "label_config": config, "params": {"context": None}}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200
    assert [bool(prediction["result"]) for prediction in answer.json()["results"]] == [True, False, True]


def test_a_request_without_tasks_gets_no_prediction(client: TestClient) -> None:
    assert predict(client, [])["results"] == []


def test_health_setup_and_prompts_do_not_wait_for_a_bulk_request(
    client: TestClient, files: Any, png: Callable[..., bytes]
) -> None:
    slow, quick = (files.put(f"/data/upload/6/{name}.png", png()) for name in ("slow", "quick"))
    release = files.blocked_paths[slow] = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        try:
            bulk = pool.submit(predict, client, [slow])
            assert client.get("/health").status_code == 200
            assert setup(client, 599, CONFIG)["model_version"].startswith("v0001-")
            assert predict(client, [quick], context={"result": []})["results"][0]["result"] == []
            assert not bulk.done()
        finally:
            release.set()
        assert bulk.result()["results"][0]["result"]


# -- events --


def test_fifty_simultaneous_events_are_marked_in_few_transactions(services: Services) -> None:
    services.registry.register_project(7, label_config=CONFIG, extra_params=None)
    app, marks = create_app(services), []

    def record_mark(*arguments: Any) -> None:
        if "UPDATE projects SET events" in arguments[2]:
            marks.append(arguments[2])

    async def send_fifty_events() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://backend") as caller:
            body = {"action": "ANNOTATION_CREATED", "project": {"id": 7}}
            return await asyncio.gather(*(caller.post("/webhook", json=body) for _ in range(50)))

    event.listen(services.engine, "before_cursor_execute", record_mark)
    assert {answer.status_code for answer in asyncio.run(send_fifty_events())} == {200}
    assert 1 <= len(marks) <= 20
    assert services.queue.list_queued() == {7}


def test_an_event_of_an_unregistered_project_changes_nothing(services: Services) -> None:
    answer = TestClient(create_app(services)).post("/webhook", json={"action": "PROJECT_DELETED", "project": {"id": 88}})
    assert answer.json() == {"status": "accepted"}
    assert services.queue.list_queued() == set()


def test_the_server_marks_all_projects_when_it_starts(open_services: Callable[..., Services]) -> None:
    open_services().registry.register_project(7, label_config=CONFIG, extra_params=None)
    services = open_services()
    with TestClient(create_app(services)):
        assert set(services.pending_events.pending()) == services.queue.list_queued() == {7}


def test_metrics_count_events_and_predictions(services: Services) -> None:
    client = TestClient(create_app(services))
    for action in ("ANNOTATION_CREATED", "SOMETHING_NEW"):
        client.post("/webhook", json={"action": action, "project": {"id": 7, "label_config": CONFIG}})
    text = client.get("/metrics").text
    assert 'galaxyloop_events_total{action="ANNOTATION_CREATED"} 1.0' in text
    assert 'galaxyloop_events_total{action="other"} 1.0' in text
    assert 'galaxyloop_live_version{project="7"} 1.0' in text
    assert 'galaxyloop_events_pending{project="7"} 1.0' in text


def test_metrics_contain_running_processes_and_pending_events(services: Services) -> None:
    client = TestClient(create_app(services))
    services.registry.register_project(7, label_config=CONFIG, extra_params=None)
    assert 'galaxyloop_processes_alive{kind="worker"} 0.0' in client.get("/metrics").text
    assert "galaxyloop_last_seen_seconds{" not in client.get("/metrics").text
    assert 'galaxyloop_events_wait_seconds{project="7"} 0.0' in client.get("/metrics").text
    services.pending_events.mark([7])
    with Heartbeat(services.engine, "worker").run():
        text = client.get("/metrics").text
    assert 'galaxyloop_processes_alive{kind="worker"} 1.0' in text
    assert 'galaxyloop_last_seen_seconds{kind="worker"}' in text
    (wait_s,) = re.findall(r'galaxyloop_events_wait_seconds{project="7"} (\S+)', text)
    assert float(wait_s) > 0
    assert 'galaxyloop_tasks_without_prediction{project="7"}' not in text  # the file server has no API for it


def test_openapi_describes_the_protocol(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/health", "/setup", "/predict", "/webhook", "/versions", "/metrics"} == paths.keys()
    assert paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/PredictRequest")


# -- one limit for a labelling config --


def taxonomy_of(characters: int) -> str:
    """Return a config of exactly `length` characters, most of them classes."""
    head, tail = '<View><Image name="image" value="$image"/><Taxonomy name="t" toName="image">', "</Taxonomy></View>"
    choices = [f'<Choice value="Class number {number:06d}"/>' for number in range(characters // 50)]
    text = head + "".join(choices)[: characters // 2].rsplit("/>", 1)[0] + "/>"
    return text + " " * (characters - len(text) - len(tail)) + tail


@pytest.mark.slow
@pytest.mark.parametrize("characters", [1_200_000, MAX_CHARACTERS])
def test_every_endpoint_accepts_a_config_that_the_parser_accepts(client: TestClient, characters: int) -> None:
    config, project = taxonomy_of(characters), next(PROJECTS)
    assert len(config) == characters
    assert setup(client, project, config)["model_version"].startswith("v0001")
    body = {"action": "PROJECT_UPDATED", "project": {"id": project, "label_config": config}}
    assert client.post("/webhook", json=body).status_code == 200
    assert predict(client, [], config=config, project=project)["results"] == []


def test_a_config_that_the_parser_rejects_gets_an_explanation(client: TestClient) -> None:
    answer = client.post("/setup", json={"project": "7", "schema": taxonomy_of(MAX_CHARACTERS + 1)})
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"schema: String should have at most {MAX_CHARACTERS} characters"


def test_unsupported_parts_of_a_config_are_named(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    pages = '<Repeater on="$images"><Image name="page{{idx}}" value="$images[{{idx}}]"/></Repeater></View>'
    project = next(PROJECTS)
    answers = [setup(client, project, CONFIG.replace("</View>", pages)) for _ in range(2)]
    assert answers[1]["warning"].startswith("the content of the Repeater on '$images' is passed over")
    assert len([record for record in caplog.records if "Repeater" in record.getMessage()]) == 1


@pytest.mark.parametrize("task", [0, -1, 10**12, 10**30])
def test_a_task_with_an_id_beyond_the_database_is_predicted(
    client: TestClient, files: Any, png: Callable[..., bytes], task: int
) -> None:
    image = files.put("/data/upload/6/odd.png", png())
    body = {"project": "599", "label_config": CONFIG, "tasks": [{"id": task, "data": {"image": image}}], "params": {}}
    answer = client.post("/predict", json=body)
    assert (answer.status_code, len(answer.json()["results"])) == (200, 1)


def test_the_input_of_a_requested_prediction_is_recorded(
    client: TestClient, predicting: Services, files: Any, png: Any
) -> None:
    project = next(PROJECTS)
    good = files.put("/data/upload/6/good.png", png())
    tasks = [{"id": 1, "data": {"image": good}}, {"id": 2, "data": {"image": "/data/upload/6/away.png"}}]
    body = {"project": str(project), "label_config": CONFIG, "tasks": tasks, "params": {}}
    assert client.post("/predict", json=body).status_code == 200
    records = predicting.prediction_records.of(project, 1)
    assert {task: record.failed_at is not None for task, record in records.items()} == {1: False, 2: True}
