"""Every request of `sync` to Label Studio, against a real one."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from sync.label_studio.annotations import RECHECK_EVERY_S, AnnotationReader, read_annotations
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER, attach_backend, rename_backend
from sync.label_studio.client import LabelStudioClient, LabelStudioError, LabelStudioUnavailable
from sync.label_studio.local_server import LabelStudioServer, StudioError
from sync.label_studio.login import login
from sync.label_studio.prediction_ids import prediction_ids
from sync.label_studio.predictions import KEPT_SUFFIX, predicted_tasks, push
from sync.label_studio.projects import create_project, project_state, set_uncertainty_sampling, upload_images
from sync.label_studio.pruning import prune
from sync.label_studio.replacing import replace
from sync.label_studio.tasks import read_tasks

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
</View>
"""
AUTH = ("galaxyloop", "a-password")


def choice(value: str) -> list[dict[str, Any]]:
    return [{"id": "c1", "from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": [value]}}]


def predictions(tasks: list[int], *, version: str, value: str = "Spiral") -> list[dict[str, Any]]:
    return [{"task": task, "result": choice(value), "score": 0.7, "model_version": version} for task in tasks]


def annotate(client: LabelStudioClient, task: int, **more: Any) -> int:
    body = {"result": choice("Smooth"), "lead_time": 2.5, **more}
    return int(client.send("POST", f"/api/tasks/{task}/annotations/", json=body)["id"])


def prediction_of(client: LabelStudioClient, task: int, version: str) -> int:
    predictions = client.get("/api/predictions/", task=task)
    return next(int(item["id"]) for item in predictions if item["model_version"] == version)


@pytest.fixture
def project(client: LabelStudioClient) -> int:
    return create_project(client, "Galaxies", CONFIG)


@pytest.fixture
def tasks(client: LabelStudioClient, project: int) -> list[int]:
    data = [{"image": f"/data/upload/{project}/00000000-{number}.png"} for number in range(6)]
    client.send("POST", f"/api/projects/{project}/import", json=data)
    return [task.id for task in read_tasks(client, project)]


@pytest.fixture
def make_png(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "PNG")
        (tmp_path / name).write_bytes(buffer.getvalue())
        return tmp_path / name

    return make


# --- the connection


def test_a_wrong_key_is_rejected_without_printing_the_key(label_studio: tuple[str, str]) -> None:
    head, claims, _ = label_studio[1].split(".")
    token = f"{head}.{claims}.{'A' * 43}"
    with LabelStudioClient(label_studio[0], token) as stranger, pytest.raises(LabelStudioError) as error:
        stranger.get("/api/projects/")
    assert error.value.status == 401
    assert "does not accept the API key" in str(error.value)
    assert claims not in str(error.value)


def test_a_token_that_label_studio_no_longer_accepts_is_renewed(client: LabelStudioClient) -> None:
    client.get("/api/projects/")
    client._access_token = client._access_token[:-4] + "AAAA"
    assert client.get("/api/projects/")["count"] >= 0


def test_an_error_contains_the_message_of_label_studio(client: LabelStudioClient) -> None:
    with pytest.raises(LabelStudioError, match=r"rejected POST /api/projects/: .*label_config"):
        create_project(client, "Galaxies", "<View><Nonsense/>")


def test_the_authorization_header_is_accepted(client: LabelStudioClient) -> None:
    headers = {"Authorization": client.authorization()}
    assert httpx.get(f"{client.url}/api/current-user/whoami", headers=headers).is_success


def test_a_second_login_asks_for_the_existing_token(label_studio: tuple[str, str]) -> None:
    with pytest.raises(LabelStudioError, match="already has a personal access token") as error:
        login(label_studio[0], "admin@example.com", "galaxies-for-tests")
    assert error.value.status == 409


def test_a_wrong_password_is_rejected(label_studio: tuple[str, str]) -> None:
    with pytest.raises(LabelStudioError, match=r"rejects the password of admin@example\.com"):
        login(label_studio[0], "admin@example.com", "not this one")


# --- tasks and annotations


def test_images_are_uploaded_once(client: LabelStudioClient, project: int, make_png: Callable[[str], Path]) -> None:
    files = [make_png(name) for name in ("M 51.png", "m82.png", "ngc (1300).png")]
    progress: list[tuple[int, int]] = []
    assert upload_images(client, project, files[:2]) == 2
    assert upload_images(client, project, files, progress=lambda n, of: progress.append((n, of))) == 1
    assert progress == [(3, 3)]
    assert upload_images(client, project, files) == 0
    references = [task.data["image"] for task in read_tasks(client, project)]
    assert len(references) == 3
    headers = {"Authorization": client.authorization()}
    assert all(httpx.get(client.url + reference, headers=headers).is_success for reference in references)


def test_images_of_several_requests_are_all_uploaded(
    client: LabelStudioClient, project: int, make_png: Callable[[str], Path]
) -> None:
    files = [make_png(f"{number}.png") for number in range(60)]
    assert upload_images(client, project, files) == 60
    assert project_state(client, project).task_count == 60


def test_a_file_that_label_studio_rejects_is_named(client: LabelStudioClient, project: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"does not accept m31\.fits"):
        upload_images(client, project, [tmp_path / "m31.fits"])


def test_annotated_tasks_are_marked(client: LabelStudioClient, project: int, tasks: list[int]) -> None:
    annotate(client, tasks[0])
    annotate(client, tasks[1], was_cancelled=True)
    read = read_tasks(client, project)
    assert [task.id for task in read] == tasks
    assert [task.annotated for task in read] == [True, False, False, False, False, False]
    assert [task.annotations for task in read] == [1, 1, 0, 0, 0, 0]
    assert read[2].data == {"image": f"/data/upload/{project}/00000000-2.png"}


def test_the_time_stamp_of_a_task_changes_only_with_its_annotations(
    client: LabelStudioClient, project: int, tasks: list[int]
) -> None:
    def stamp() -> str:
        return read_tasks(client, project)[0].updated_at

    stamps = [stamp()]
    annotation = annotate(client, tasks[0])
    stamps.append(stamp())
    client.send("PATCH", f"/api/annotations/{annotation}/", json={"result": choice("Spiral")})
    stamps.append(stamp())
    push(client, project, predictions(tasks, version="v0001"))
    client.send("POST", f"/api/tasks/{tasks[0]}/drafts", json={"result": choice("Smooth")})
    assert stamp() == stamps[-1]
    client.send("DELETE", f"/api/annotations/{annotation}/")
    stamps.append(stamp())
    annotate(client, tasks[0], was_cancelled=True)
    stamps.append(stamp())
    assert len(set(stamps)) == len(stamps)


def test_annotations_are_read_as_submitted(client: LabelStudioClient, project: int, tasks: list[int]) -> None:
    push(client, project, predictions(tasks, version="v0001"))
    parent = prediction_of(client, tasks[0], "v0001")
    first = annotate(client, tasks[0], parent_prediction=parent)
    second = annotate(client, tasks[3], result=[], was_cancelled=True)
    third = annotate(client, tasks[0])
    client.send("POST", f"/api/tasks/{tasks[1]}/drafts", json={"result": choice("Spiral")})
    read = read_annotations(client, project)
    assert [note.id for note in read] == [first, second, third]
    assert [note.task_id for note in read] == [tasks[0], tasks[3], tasks[0]]
    assert [note.was_cancelled for note in read] == [False, True, False]
    assert [note.parent_prediction for note in read] == [parent, None, None]
    assert read[0].result == choice("Smooth")
    assert read[0].data == {"image": f"/data/upload/{project}/00000000-0.png"}
    assert read[0].lead_time == 2.5
    assert isinstance(read[0].completed_by, int)
    assert [note.id for note in read_annotations(client, project, task_ids={tasks[3]})] == [second]
    assert read_annotations(client, project, task_ids=[]) == []


def test_annotations_of_many_tasks_are_read_in_several_requests(client: LabelStudioClient, project: int) -> None:
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": f"/data/{n}.png"} for n in range(120)])
    tasks = [task.id for task in read_tasks(client, project)]
    push(client, project, predictions(tasks, version="v0001"), chunk=50)
    all_tasks = {"project": str(project), "selectedItems": {"all": True, "excluded": []}}
    client.send("POST", f"/api/dm/actions?id=predictions_to_annotations&project={project}", json=all_tasks)
    assert [note.task_id for note in read_annotations(client, project)] == tasks


def test_a_reader_requests_only_changed_annotations(client: LabelStudioClient, project: int, tasks: list[int]) -> None:
    reader = AnnotationReader(client, project)
    assert reader.read() == []
    first, second = annotate(client, tasks[0]), annotate(client, tasks[1])
    before = reader.read()
    assert [note.id for note in before] == [first, second]
    client.send("PATCH", f"/api/annotations/{second}/", json={"result": choice("Spiral")})
    after = reader.read()
    assert after == read_annotations(client, project)
    assert after[0] is before[0]
    assert after[1].result == choice("Spiral")
    client.send("DELETE", f"/api/annotations/{first}/")
    assert [note.id for note in reader.read()] == [second]
    client.send("DELETE", f"/api/tasks/{tasks[1]}/")
    assert reader.read() == []


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def rename_label(client: LabelStudioClient, project: int, old: str, new: str) -> None:
    body = {"project": project, "old_label": [old], "new_label": [new]}
    client.send("POST", "/api/labels/bulk", json=body)


def test_a_renamed_label_is_detected_without_a_time_stamp(client: LabelStudioClient, project: int, tasks: list[int]) -> None:
    clock = Clock()
    reader = AnnotationReader(client, project, clock=clock)
    for task in tasks[:2]:
        annotate(client, task)
    before = reader.read()
    rename_label(client, project, "Smooth", "Spiral")
    assert [note.result for note in reader.read()] == [choice("Smooth")] * 2
    clock.now += RECHECK_EVERY_S
    after = reader.read()
    assert [note.updated_at for note in after] == [note.updated_at for note in before]
    assert [note.result for note in after] == [choice("Spiral")] * 2


def test_all_annotations_are_read_again_after_a_new_config(client: LabelStudioClient, project: int, tasks: list[int]) -> None:
    reader = AnnotationReader(client, project)
    annotate(client, tasks[0])
    reader.read(label_config="before")
    rename_label(client, project, "Smooth", "Spiral")
    assert [note.result for note in reader.read(label_config="after")] == [choice("Spiral")]


def test_reading_leaves_no_file_on_the_disk_of_label_studio(
    client: LabelStudioClient, project: int, tasks: list[int], label_studio_data: Path
) -> None:
    annotate(client, tasks[0])
    assert read_annotations(client, project)
    assert not list((label_studio_data / "export").glob(f"project-{project}-*"))


# --- predictions


def test_a_killed_import_of_predictions_continues_without_duplicates(
    client: LabelStudioClient, project: int, tasks: list[int]
) -> None:
    assert push(client, project, predictions(tasks[:4], version="v0001")) == 4
    assert push(client, project, predictions(tasks, version="v0001"), chunk=1) == 6
    assert push(client, project, predictions(tasks, version="v0001")) == 6
    assert [len(client.get("/api/predictions/", task=task)) for task in tasks] == [1] * 6


def test_versions_are_distinguished_if_one_name_contains_the_other(
    client: LabelStudioClient, project: int, tasks: list[int]
) -> None:
    push(client, project, predictions(tasks[:2], version="v0001") + predictions(tasks, version="v00012"))
    assert predicted_tasks(client, project, "v0001") == set(tasks[:2])
    assert predicted_tasks(client, project, "v00012") == set(tasks)
    assert predicted_tasks(client, project, "v0002") == set()


def test_one_invalid_prediction_does_not_affect_the_others(
    client: LabelStudioClient, project: int, tasks: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    batch = predictions(tasks, version="v0001")
    batch[2]["result"] = choice("No such label")
    assert push(client, project, batch) == 5
    assert predicted_tasks(client, project, "v0001") == set(tasks) - {tasks[2]}
    assert f"task={tasks[2]} version=v0001" in caplog.text
    assert "No such label" in caplog.text


def test_a_task_deleted_during_the_import_loses_no_other_prediction(
    client: LabelStudioClient, project: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": f"/data/{number}.png"} for number in range(300)])
    tasks = [task.id for task in read_tasks(client, project)]
    batch = predictions(tasks, version="v0001")
    for deleted_task in (tasks[7], tasks[200]):
        client.send("DELETE", f"/api/tasks/{deleted_task}/")
    imports: list[int] = []
    send = client.send

    def count_requests(method: str, path: str, **more: Any) -> Any:
        if path.endswith("/import/predictions"):
            imports.append(len(more["json"]))
        return send(method, path, **more)

    monkeypatch.setattr(client, "send", count_requests)
    assert push(client, project, batch) == 298
    assert imports == [300, 298]
    assert predicted_tasks(client, project, "v0001") == {*tasks} - {tasks[7], tasks[200]}


def test_a_task_with_many_versions_is_found_by_each_version(client: LabelStudioClient, project: int, tasks: list[int]) -> None:
    names = [f"v{number:04d}-3f9a7c" for number in range(60)]
    batch = [item for name in names for item in predictions(tasks[:2], version=name)]
    client.send("POST", f"/api/projects/{project}/import/predictions", json=batch)
    push(client, project, predictions(tasks, version="v0099-3f9a7c"))
    assert all(predicted_tasks(client, project, name) == set(tasks[:2]) for name in (names[0], names[30], names[59]))
    assert predicted_tasks(client, project, "v0099-3f9a7c") == set(tasks)
    assert predicted_tasks(client, project, "v0059-3f9a7", task_ids=tasks) == set()


def test_a_prediction_without_annotations_is_replaced_in_place(
    client: LabelStudioClient, project: int, tasks: list[int]
) -> None:
    push(client, project, predictions(tasks[:2], version="v0001") + predictions(tasks, version="somebody's"))
    first, second = (prediction_of(client, task, "v0001") for task in tasks[:2])
    annotate(client, tasks[1], parent_prediction=second)
    new = predictions(tasks[:3], version="v0001", value="Smooth")
    assert replace(client, project, new, parents={second}) == set(tasks[:3])
    ids = prediction_ids(client, project, "v0001")
    assert ids[tasks[0]] == [first]
    assert ids.keys() == set(tasks[:3])
    assert all(client.get(f"/api/predictions/{id_}/")["result"] == choice("Smooth") for (id_,) in ids.values())
    parent = client.get(f"/api/predictions/{second}/")
    assert (parent["model_version"], parent["result"]) == ("v0001" + KEPT_SUFFIX, choice("Spiral"))
    assert client.get(f"/api/projects/{project}/model-versions/")["somebody's"] == len(tasks)


def test_two_predictions_of_one_version_for_a_task_raise_an_error(
    client: LabelStudioClient, project: int, tasks: list[int]
) -> None:
    with pytest.raises(ValueError, match="give one per task"):
        push(client, project, predictions([tasks[0], tasks[0]], version="v0001"))


def test_pruning_keeps_other_versions_and_parents_of_annotations(
    client: LabelStudioClient, project: int, tasks: list[int], recording_backend: Any
) -> None:
    for version in ("v0001", "v0002", "v0003", "v00011", "somebody's"):
        push(client, project, predictions(tasks, version=version))
    attach_backend(client, project, url=recording_backend.url, title="v0003")
    parent = prediction_of(client, tasks[0], "v0001")
    annotate(client, tasks[0], parent_prediction=parent)
    assert prune(client, project, {"v0001", "v0000"}, annotations=read_annotations(client, project)) == 5
    counts = client.get(f"/api/projects/{project}/model-versions/")
    assert counts == {"v0002": 6, "v0003": 6, "v00011": 6, "somebody's": 6, "v0001" + KEPT_SUFFIX: 1}
    assert read_annotations(client, project)[0].parent_prediction == parent
    assert project_state(client, project).model_version == "v0003"
    assert prune(client, project, {"v0001"}) == 0


def test_label_studio_rejects_an_annotation_of_a_deleted_prediction(
    client: LabelStudioClient, project: int, tasks: list[int]
) -> None:
    push(client, project, predictions(tasks, version="v0001"))
    parent = prediction_of(client, tasks[0], "v0001")
    prune(client, project, {"v0001"})
    with pytest.raises(LabelStudioError, match="parent_prediction"):
        annotate(client, tasks[0], parent_prediction=parent)


# --- the backend


def attachments(client: LabelStudioClient, project: int) -> tuple[list[Any], list[Any]]:
    """Return the backends and webhooks of a project, without fields that change on every save."""
    backends = client.get("/api/ml", project=project)
    hooks = client.get("/api/webhooks/", project=project)
    return [{**row, "updated_at": None} for row in backends], hooks


def test_an_attached_backend_receives_its_credentials_with_every_event(
    client: LabelStudioClient, project: int, tasks: list[int], recording_backend: Any
) -> None:
    params = {"batch": 5}
    attach_backend(
        client,
        project,
        url=recording_backend.url,
        title="v0001",
        basic_auth=AUTH,
        webhook_secret="s3cret",
        extra_params=params,
    )
    annotate(client, tasks[0])
    headers, body = recording_backend.wait_for_event("ANNOTATION_CREATED")
    assert headers["authorization"] == "Basic " + base64.b64encode(b"galaxyloop:a-password").decode()
    assert headers[WEBHOOK_SECRET_HEADER.lower()] == "s3cret"
    assert body["task"]["id"] == tasks[0]
    setup = recording_backend.bodies("/setup")[-1]
    assert setup["extra_params"] == params
    state = project_state(client, project)
    assert state.model_version == "v0001"


def test_attaching_twice_changes_nothing(client: LabelStudioClient, project: int, recording_backend: Any) -> None:
    def attach(**more: Any) -> int:
        return attach_backend(client, project, url=recording_backend.url, title="v0001", **{"basic_auth": AUTH, **more})

    first = attach()
    before = attachments(client, project)
    assert attach() == first
    assert attachments(client, project) == before
    assert [len(rows) for rows in before] == [1, 1]
    assert before[0][0]["is_interactive"]
    assert attach(basic_auth=("galaxyloop", "another"), extra_params={"batch": 3}) == first
    after = attachments(client, project)
    assert [len(rows) for rows in after] == [1, 1]
    assert after[0][0]["extra_params"] == {"batch": 3}
    assert after[1][0]["headers"] != before[1][0]["headers"]


def test_a_manually_attached_backend_is_corrected(client: LabelStudioClient, project: int, recording_backend: Any) -> None:
    for _ in range(2):
        client.send("POST", "/api/ml", json={"project": project, "url": recording_backend.url + "/", "title": "mine"})
    attach_backend(client, project, url=recording_backend.url, title="v0001", basic_auth=AUTH)
    backends, hooks = attachments(client, project)
    assert [(row["title"], row["is_interactive"]) for row in backends] == [("v0001", True)]
    assert [list(hook["headers"]) for hook in hooks] == [["Authorization"]]
    assert project_state(client, project).model_version == "v0001"


@pytest.mark.parametrize("auth", [None, AUTH])
def test_renaming_the_backend_renames_the_version_that_annotators_see(
    client: LabelStudioClient, project: int, recording_backend: Any, auth: tuple[str, str] | None
) -> None:
    attach_backend(client, project, url=recording_backend.url, title="v0001", basic_auth=auth)
    for _ in range(2):
        rename_backend(client, project, url=recording_backend.url, title="v0002")
        assert project_state(client, project).model_version == "v0002"
    recording_backend.requests.clear()
    assert client.get("/api/ml", project=project)[0]["title"] == "v0002"
    tokens = [headers.get("authorization", "") for path, headers, _ in recording_backend.requests if path == "/setup"]
    assert all(value.startswith("Basic ") == (auth is not None) for value in tokens)
    assert tokens


def test_renaming_the_backend_corrects_a_project_without_a_version(
    client: LabelStudioClient, project: int, recording_backend: Any
) -> None:
    attach_backend(client, project, url=recording_backend.url, title="v0001")
    client.send("PATCH", f"/api/projects/{project}/", json={"model_version": ""})
    rename_backend(client, project, url=recording_backend.url, title="v0001")
    assert project_state(client, project).model_version == "v0001"


def test_renaming_a_backend_that_is_not_attached_raises_an_error(client: LabelStudioClient, project: int) -> None:
    with pytest.raises(LabelStudioError, match="attach it first"):
        rename_backend(client, project, url="http://127.0.0.1:1", title="v0002")


def test_an_unreachable_backend_is_named(client: LabelStudioClient, project: int) -> None:
    with pytest.raises(LabelStudioError, match=r"http://127\.0\.0\.1:1"):
        attach_backend(client, project, url="http://127.0.0.1:1", title="v0001")


def test_uncertainty_sampling_returns_the_most_uncertain_task_first(
    client: LabelStudioClient, project: int, tasks: list[int], recording_backend: Any
) -> None:
    batch = predictions(tasks, version="v0001")
    for item, score in zip(batch, [0.9, 0.8, 0.7, 0.1, 0.6, 0.5], strict=True):
        item["score"] = score
    push(client, project, batch)
    attach_backend(client, project, url=recording_backend.url, title="v0001")
    set_uncertainty_sampling(client, project)
    assert project_state(client, project).sampling == "Uncertainty sampling"
    assert client.get(f"/api/projects/{project}/next")["id"] == tasks[3]


# --- the server


def test_a_port_in_use_is_reported_in_one_sentence(
    label_studio: tuple[str, str], label_studio_executable: Path, tmp_path: Path
) -> None:
    port = int(label_studio[0].rsplit(":", 1)[1])
    with LabelStudioServer(label_studio_executable, tmp_path, port=port, user="a@b.c", password="x") as server:
        with pytest.raises(StudioError, match=f"port {port} is in use"):
            server.start()
        assert not list(tmp_path.iterdir())


def test_a_restarted_label_studio_has_the_same_data(
    label_studio_executable: Path, label_studio_data: Path, tmp_path: Path, free_port: int
) -> None:
    shutil.copytree(label_studio_data, tmp_path / "data")
    server = LabelStudioServer(
        label_studio_executable, tmp_path / "data", port=free_port, user="second@example.com", password="more-galaxies"
    )
    with server:
        server.start()
        waits: list[float] = []
        server.wait(progress=waits.append)
        assert waits
        assert waits == sorted(waits)
        with LabelStudioClient(server.url, login(server.url, "second@example.com", "more-galaxies"), patience_s=0.5) as client:
            project = create_project(client, "Galaxies", CONFIG)
            server.stop()
            assert not server.running
            with pytest.raises(LabelStudioUnavailable, match="cannot be reached"):
                project_state(client, project)
            server.start()
            server.wait()
            assert project_state(client, project).title == "Galaxies"
