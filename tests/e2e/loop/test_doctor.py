"""`galaxyloop doctor` against the real Label Studio: it reports success or each problem."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from backend.cli.app import app
from backend.doctor.round_trip import CONFIG, TITLE
from backend.jobs.liveness import is_alive
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.local_server import LabelStudioServer
from sync.label_studio.login import login
from sync.label_studio.projects import create_project, list_states
from tests.e2e.loop.conftest import Loop
from tests.printed_tables import rows_of

USER, PASSWORD = "admin@example.com", "galaxies-for-tests"


def run_doctor(loop: Loop, **changes: str) -> tuple[int, dict[str, tuple[bool, str]]]:
    """Run the doctor; return its exit code, and for each check whether it passed and its message."""
    result = CliRunner().invoke(app, ["doctor"], env=loop.environment | {"COLUMNS": "400"} | changes, catch_exceptions=False)
    rows = [row for row in rows_of(result.output) if len(row) == 3][1:]
    return result.exit_code, {name: (state == "ok", says) for name, state, says in rows}


def run_all_checks(loop: Loop) -> Any:
    """Return the state that the doctor must not change, in Label Studio and in the registry."""
    titles = [state.title for state in list_states(loop.client)]
    return titles, loop.client.get("/api/webhooks/"), [project.id for project in loop.services.registry.projects()]


def test_all_checks_pass_and_leave_no_data(loop: Loop) -> None:
    loop.wait_until(lambda: is_alive(loop.services.engine, "worker"), "the worker has written a heartbeat")
    before = run_all_checks(loop)
    create_project(loop.client, TITLE, CONFIG)  # left by a doctor that was killed
    code, checks = run_doctor(loop)
    assert {name: says for name, (ok, says) in checks.items() if not ok} == {}
    assert code == 0
    assert {"server", "worker", "clocks", "model files", "network switch for events", "delivery of an event"} <= checks.keys()
    assert "through the server to the registry" in checks["delivery of an event"][1]
    assert run_all_checks(loop) == before


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"GALAXYLOOP_BACKEND_URL": "http://127.0.0.1:1"}, "network switch for calls", "start galaxyloop server"),
        ({"GALAXYLOOP_BASIC_AUTH_PASSWORD": "wrong"}, "network switch for calls", "does not reach the backend"),
        ({"LABEL_STUDIO_API_KEY": "0" * 40}, "Label Studio and its key", "set LABEL_STUDIO_API_KEY"),
        ({"LABEL_STUDIO_URL": "http://127.0.0.1:1"}, "Label Studio and its key", "start it, or set LABEL_STUDIO_URL"),
    ],
    ids=["address", "password", "key", "Label Studio's address"],
)
def test_a_failed_check_is_named_and_leaves_no_data(loop: Loop, changes: dict[str, str], name: str, says: str) -> None:
    before = run_all_checks(loop)
    code, checks = run_doctor(loop, **changes)
    assert code == 1
    assert not checks[name][0]
    assert says in checks[name][1]
    assert run_all_checks(loop) == before


def test_a_different_database_of_the_server_is_detected_by_the_event(loop: Loop, tmp_path: Path) -> None:
    assert not Services(loop.settings.model_copy(update={"data_dir": tmp_path})).registry.projects()
    _, checks = run_doctor(loop, GALAXYLOOP_DATA_DIR=str(tmp_path))
    assert checks["network switch for calls"][0]
    assert "the server must run with the same database" in checks["delivery of an event"][1]


@pytest.fixture(params=["LABEL_STUDIO_SSRF_PROTECTION_ENABLED", "LABEL_STUDIO_ML_BLOCK_LOCAL_IP"])
def closed_label_studio(
    request: pytest.FixtureRequest, label_studio_executable: Path, label_studio_template: Path, tmp_path: Path
) -> Iterator[tuple[str, LabelStudioServer]]:
    """Run a Label Studio with a default network setting: it sends no requests to private addresses."""
    shutil.copytree(label_studio_template, tmp_path / "studio")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with LabelStudioServer(label_studio_executable, tmp_path / "studio", port=port, user=USER, password=PASSWORD) as server:
        server._own[request.param] = "true"
        server.start()
        server.wait()
        yield request.param, server


def test_a_closed_network_switch_is_named_and_a_failed_attach_is_undone(
    loop: Loop, closed_label_studio: tuple[str, LabelStudioServer], tmp_path: Path
) -> None:
    switch, server = closed_label_studio
    variables = {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": login(server.url, USER, PASSWORD)}
    code, checks = run_doctor(loop, **variables)
    assert code == 1
    switches = {name: says for name, (ok, says) in checks.items() if name.startswith("network switch") and not ok}
    wrong = "network switch for events" if "SSRF" in switch else "network switch for calls"
    assert list(switches) == [wrong]
    assert f"{switch}=false" in switches[wrong]
    with LabelStudioClient(server.url, variables["LABEL_STUDIO_API_KEY"]) as client:
        project = create_project(client, "Closed", CONFIG)
        before = client.get(f"/api/projects/{project}/")
        # A registry of its own: that of the loop may have a project of this number, from the loop's Label Studio.
        environment = loop.environment | variables | {"GALAXYLOOP_DATA_DIR": str(tmp_path / "data")}
        result = CliRunner().invoke(app, ["project", "attach", str(project)], env=environment)
        assert "does not call the local or private address" in result.stderr, result.output
        assert result.exit_code == 1
        assert (client.get("/api/ml", project=project), client.get("/api/webhooks/", project=project)) == ([], [])
        assert client.get(f"/api/projects/{project}/") == before
        assert [state.title for state in list_states(client)] == ["Closed"]
