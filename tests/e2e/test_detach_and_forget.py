"""Projects that are detached, forgotten or deleted in Label Studio; a failed attachment leaves no backend and no webhook."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.jobs.heartbeat import Heartbeat
from backend.loop.session import ProjectSession
from backend.loop.worker import handle_events
from backend.projects.presence import GONE, check_presence
from backend.server.app import create_app
from backend.services import Services
from backend.settings import Settings
from sync.label_studio.attach import check_attachment
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project, project_state
from sync.labelling.config import MAX_CHARACTERS
from tests.printed_tables import rows_of

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="c" toName="image"><Choice value="Round"/><Choice value="Flat"/></Choices></View>"""
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def run(
    label_studio: tuple[str, str], recording_backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Return a function that runs `galaxyloop`; the backend is a recording one."""
    values = {
        "LABEL_STUDIO_URL": label_studio[0],
        "LABEL_STUDIO_API_KEY": label_studio[1],
        "GALAXYLOOP_DATA_DIR": str(tmp_path),
        "GALAXYLOOP_BACKEND_URL": recording_backend.url,
        "COLUMNS": "250",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def services(run: Callable[..., Result]) -> Services:
    return Services(Settings())


@pytest.fixture
def project(client: LabelStudioClient) -> int:
    return create_project(client, "Departures", CONFIG)


def settings_of(client: LabelStudioClient, project: int) -> dict[str, Any]:
    """Return everything that attaching may change."""
    read = client.get(f"/api/projects/{project}/")
    names = ("model_version", "sampling", "show_collab_predictions", "evaluate_predictions_automatically")
    return {name: read[name] for name in names} | {
        "backends": [row["id"] for row in client.get("/api/ml", project=project)],
        "webhooks": [hook["id"] for hook in client.get("/api/webhooks/", project=project)],
    }


def test_the_list_shows_each_project_and_whether_the_backend_is_attached(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services
) -> None:
    other = create_project(client, "[Not] attached", CONFIG)
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": "/a.png"}, {"image": "/b.png"}])
    task = client.get("/api/tasks/", project=project)["tasks"][0]["id"]
    client.send("POST", f"/api/tasks/{task}/annotations/", json={"result": []})
    assert run("project", "attach", project).exit_code == 0
    services.registry.set_status(project, "stopped: the reason")
    rows = {row[0]: row[1:] for row in rows_of(run("project", "list").stdout)}
    version = services.registry.versions(project)[0].name
    assert rows[str(project)] == ["Departures", "2", "1", "attached", version, "stopped: the reason"]
    assert rows[str(other)] == ["[Not] attached", "0", "0", "not attached"]


def test_detaching_removes_backend_and_webhook_and_keeps_versions(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services
) -> None:
    run("project", "attach", project)
    assert run("project", "detach", project).stdout == f"project {project} is detached; its versions are kept\n"
    assert check_attachment(client, project, url=services.settings.public_url) == (False, False)
    assert services.registry.versions(project)
    assert check_presence(services, project).startswith("detached")
    assert "is live; detached: galaxyloop project attach" in run("rollback", project, "v0001").stdout
    second_result = run("project", "detach", project)
    assert (second_result.exit_code, second_result.stderr.startswith(f"galaxyloop: project {project} has no backend at")) == (
        2,
        True,
    )
    assert run("project", "attach", project).exit_code == 0
    assert check_presence(services, project) == ""


def test_a_project_is_deleted_after_confirmation(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services
) -> None:
    run("project", "attach", project)
    assert run("project", "forget", project).exit_code == 1  # the question gets no answer
    assert services.registry.versions(project)
    assert run("project", "forget", project, "--yes").stdout == f"project {project} is forgotten and detached\n"
    assert services.registry.versions(project) == []
    assert check_attachment(client, project, url=services.settings.public_url) == (False, False)
    assert "is not registered here: there is nothing to delete" in run("project", "forget", project, "--yes").stderr


def test_a_project_deleted_in_label_studio_is_gone_and_can_be_forgotten(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services
) -> None:
    run("project", "attach", project)
    assert check_presence(services, project) == ""
    client.send("DELETE", f"/api/projects/{project}/")
    for _ in range(2):
        assert check_presence(services, project).startswith("deleted in Label Studio; its versions are kept")
    assert services.registry.project(project).away == GONE
    assert services.registry.versions(project)
    assert "not in Label Studio" in run("project", "list").stdout
    services.registry.set_status(project, check_presence(services, project))
    assert "here: deleted in Label Studio" in run("project", "status", project).stderr
    assert run("project", "forget", project, "--yes").stdout == f"project {project} is forgotten\n"
    assert services.registry.projects() == []


def test_nothing_is_deleted_if_label_studio_rejects_the_key(
    run: Callable[..., Result], project: int, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("project", "attach", project)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    result = run("project", "forget", project, "--yes")
    assert (result.exit_code, "nothing was deleted" in result.stderr) == (1, True)
    assert services.registry.versions(project)


@pytest.mark.parametrize("before", [False, True], ids=["new", "with another backend"])
def test_a_failed_attach_does_not_change_the_project(
    run: Callable[..., Result],
    client: LabelStudioClient,
    project: int,
    services: Services,
    before: bool,
    recording_backend: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if before:
        client.send("POST", "/api/webhooks/", json={"url": f"{NOWHERE}/webhook", "project": project, "is_active": False})
        client.send("POST", "/api/ml", json={"url": recording_backend.url, "project": project, "title": "theirs"})
    settings_before = settings_of(client, project)
    monkeypatch.setenv("GALAXYLOOP_BACKEND_URL", NOWHERE if not before else "http://localhost:1")
    result = run("project", "attach", project)
    assert (result.exit_code, "which must run now" in result.stderr) == (1, True)
    assert settings_of(client, project) == settings_before
    assert services.registry.projects() == []
    monkeypatch.setenv("GALAXYLOOP_BACKEND_URL", recording_backend.url)
    assert run("project", "attach", project).exit_code == 0


def test_a_failed_attach_keeps_an_earlier_one(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services, recording_backend: Any
) -> None:
    run("project", "attach", project, "--batch", 25)
    before = settings_of(client, project)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYLOOP_BACKEND_URL", NOWHERE)
        assert run("project", "attach", project).exit_code == 1
    assert settings_of(client, project) == before
    assert services.registry.project(project).extra_params == {"batch": 25}


def test_a_config_that_is_too_large_is_rejected_before_any_change(
    run: Callable[..., Result], client: LabelStudioClient, services: Services
) -> None:
    padding = " " * MAX_CHARACTERS
    project = create_project(client, "Far too large", CONFIG.replace("</View>", f"{padding}</View>"))
    before = settings_of(client, project)
    result = run("project", "attach", project)
    assert (result.exit_code, f"{MAX_CHARACTERS} are read" in result.stderr) == (1, True)
    assert settings_of(client, project) == before
    assert services.registry.projects() == []


def test_a_large_taxonomy_is_attached(run: Callable[..., Result], client: LabelStudioClient) -> None:
    choices = "".join(f'<Choice value="Class number {number:06d} of a catalogue"/>' for number in range(26_000))
    config = f'<View><Image name="i" value="$image"/><Taxonomy name="t" toName="i">{choices}</Taxonomy></View>'
    assert len(config) > 1_200_000
    project = create_project(client, "A large taxonomy", config)
    assert run("project", "attach", project).exit_code == 0
    assert str(project_state(client, project).model_version).startswith("v0001")


def test_commands_announce_work_only_while_a_worker_runs(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services
) -> None:
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": "/a.png"}, {"image": "/b.png"}])
    output = run("project", "attach", project).stdout
    assert (
        "no worker stores its first predictions now: it does not run, and none has run before: start galaxyloop worker"
        in output
    )
    assert "clicks and events are lost" in output
    status = run("status").stdout
    assert "worker does not run, and none has run before" in status
    assert "2 tasks" in status
    with Heartbeat(services.engine, "worker").run(), Heartbeat(services.engine, "server").run():
        assert run("project", "attach", project).stdout == (
            f"project {project} is attached; the worker stores its first predictions\n"
        )
        assert "the worker stores its predictions" in run("rollback", project, "v0001").stdout
        assert "are sent to the backend, and a server runs" in run("project", "status", project).stdout
        assert "worker runs: process" in run("status").stdout
    assert "no worker stores its predictions now: it does not run: process" in run("rollback", project, "v0001").stdout
    output = run("project", "status", project).stdout
    assert "are sent and lost: no server runs" in output
    assert "tasks without its prediction" in output


def test_metrics_count_the_tasks_without_a_prediction(
    run: Callable[..., Result], client: LabelStudioClient, project: int, services: Services
) -> None:
    client.send("POST", f"/api/projects/{project}/import", json=[{"image": f"/{number}.png"} for number in range(3)])
    run("project", "attach", project)
    ids = [task["id"] for task in client.get("/api/tasks/", project=project)["tasks"]]
    name = services.registry.project(project).live_name
    predictions = [{"task": ids[0], "result": [], "model_version": name}]
    client.send("POST", f"/api/projects/{project}/import/predictions", json=predictions)
    client.send("POST", f"/api/tasks/{ids[1]}/annotations/", json={"result": []})
    text = TestClient(create_app(services)).get("/metrics").text
    assert f'galaxyloop_tasks_without_prediction{{project="{project}"}} 1.0' in text


def test_a_backend_removed_in_label_studio_is_logged_once(
    run: Callable[..., Result],
    client: LabelStudioClient,
    project: int,
    services: Services,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run("project", "attach", project)
    (row,) = client.get("/api/ml", project=project)
    client.send("DELETE", f"/api/ml/{row['id']}")
    with caplog.at_level(logging.WARNING, logger="galaxyloop"):
        for _ in range(2):
            services.pending_events.mark_now(project)
            handle_events(services, ProjectSession(services.label_studio, project))
    assert [record.getMessage().split(" url")[0] for record in caplog.records] == [f"event=project_detached project={project}"]
    assert services.registry.project(project).status.startswith("detached; its versions are kept")
    run("project", "attach", project)
    handle_events(services, ProjectSession(services.label_studio, project))
    assert services.registry.project(project).away == ""
