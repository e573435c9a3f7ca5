"""The commands show their help quickly, and report errors in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.loop.effort.store import EffortStore, Entry
from backend.registry.records import Effort
from backend.registry.unreadable import Unreadable, UnreadableList
from backend.services import Services
from backend.settings import Settings

CONFIG = "<View/>"
NOWHERE = "http://127.0.0.1:1"
COMMANDS = (
    "demo",
    "server",
    "worker",
    "check",
    "doctor",
    "status",
    "versions",
    "rollback",
    "project",
    "import",
    "export",
    "embed",
    "segment",
    "predict",
    "prelabel",
    "pretrain",
)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_URL", NOWHERE)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Services(Settings())


def comparison(answer: str, difference: float) -> dict[str, Any]:
    return {
        "answer": answer,
        "difference": difference,
        "low": difference - 0.1,
        "high": difference + 0.1,
        "tasks": 6,
        "groups": 6,
    }


SHAPE = {
    "taken": "candidate",
    "judged_on": 6,
    "by": "held-out tasks",
    "versus_live": comparison("better", 0.25),
    "versus_shipped": comparison("cannot tell", 0.05),
    "calibration": {"candidate": {"ece": 0.0423, "brier": 0.2}, "live": {"ece": 0.3, "brier": 0.4}},
}
"""Evidence of the gate for a control."""


@pytest.fixture
def project(services: Services) -> int:
    """Return a project with a base version and a version that went live."""
    services.registry.register_project(7, label_config=CONFIG, extra_params=None)
    with services.registry.create_version(7, label_config=CONFIG, fingerprint="f", learned_from=12) as (folder, number):
        (folder / "heads.json").write_text("{}")
    services.registry.promote(7, number, evidence={"judged_on": 6, "reason": "shape is better", "controls": {"shape": SHAPE}})
    services.registry.set_status(7, "v0002 went live")
    return 7


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def run_rejected(*words: str) -> str:
    """Run a command that must fail with one sentence; return it."""
    result = run(*words)
    assert result.exit_code in (1, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("galaxyloop: ")
    return sentence


@pytest.mark.slow
def test_help_lists_every_command_without_importing_torch() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from backend.cli.app import app\n"
        "print(CliRunner().invoke(app, ['--help']).output)\n"
        "assert not {'torch', 'sqlalchemy', 'fastapi'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("words", [[], ["project"]])
def test_without_a_command_the_help_is_printed(words: list[str]) -> None:
    assert "Usage" in run(*words).output


def test_status_of_an_empty_data_folder_is_an_empty_table(services: Services) -> None:
    result = run("status")
    assert result.exit_code == 0
    assert "last status" in result.output


def test_status_shows_the_live_version_and_the_last_status(project: int) -> None:
    output = run("status").output
    assert all(words in output for words in ("7", "v0002", "not yet", "v0002 went live"))


def test_status_of_a_control_with_brackets_in_its_name(project: int, services: Services) -> None:
    config = '<View><Image name="c[/b]" value="one.png"/></View>'
    services.registry.register_project(7, label_config=config, extra_params=None)
    services.registry.set_status(7, "stopped: [/b]")
    result = run("status")
    assert result.exit_code == 0
    assert "stopped: [/b]" in result.output
    assert "c[/b]" in result.output


def test_versions_are_listed_with_their_evidence(project: int) -> None:
    output = run("versions", "7").output
    assert all(words in output for words in ("v0001", "base", "v0002", "live", "12", "shape is better"))


def test_versions_show_the_measurements_of_the_gate_for_each_control(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    output = run("versions", "7").output
    assert "better: +0.250 (+0.150 to +0.350)" in output
    assert "cannot tell: +0.050 (-0.050 to +0.150)" in output
    assert "held-out tasks" in output
    assert "0.042" in output
    assert "0.300" not in output


def test_versions_show_the_effort_of_annotators(services: Services, project: int) -> None:
    effort = Effort(accepted=13, edited=5, rejected=2, added=3, compared=4, overlap=3.2)
    effort_store = EffortStore(services.engine)
    effort_store.write(7, [Entry(1, "monday", 2, {"boxes": effort, "shape": Effort(added=1)})])
    rows = [line.split() for line in run("versions", "7").output.splitlines()]
    name = services.registry.project(7).live_name
    assert [name, "boxes", "20", "65%", "25%", "0.800", "10%", "3"] in rows
    assert [name, "shape", "0", "1"] in rows


def test_versions_show_the_number_of_annotations_without_a_measurement(services: Services, project: int) -> None:
    assert "not measured" not in run("versions", "7").output
    EffortStore(services.engine).write(7, [Entry(1, "monday", None), Entry(2, "monday", None)])
    assert "another model: 2 annotations" in run("versions", "7").output


def test_problems_are_listed_by_task_and_reason(services: Services, project: int) -> None:
    assert "could be read" in run("project", "problems", "7").output
    left_out = Unreadable(31, 77, "boxes", "the label 'Nebula' is not in the labelling config", True)
    UnreadableList(services.engine).replace(7, [left_out, Unreadable(32, 78, "boxes", "x must be a number", False)])
    output = run("project", "problems", "7").output
    rows = [re.split(r"  +", line.strip()) for line in output.splitlines()]
    assert ["31", "77", "boxes", "yes", left_out.reason] in rows
    assert ["32", "78", "boxes", "no: another annotation is used", "x must be a number"] in rows
    assert "for these controls: 1;" in output
    assert "project 99" in run_rejected("project", "problems", "99")


def test_versions_show_the_number_of_tasks_left_out(services: Services, project: int) -> None:
    services.registry.promote(7, 2, evidence={"reason": "better", "left_out": 18})
    assert "tasks left out: 18" in run("versions", "7").output


@pytest.mark.parametrize("confirmation", ["v0001", "1", ""])
def test_rollback_is_effective_immediately_and_marks_the_project(services: Services, project: int, confirmation: str) -> None:
    base = services.registry.version(7, 1).name
    result = run("rollback", "7", confirmation or base)
    assert result.exit_code == 0
    assert services.registry.project(7).live_name == base
    assert base in result.output
    assert set(services.pending_events.pending()) == services.queue.list_queued() == {7}


@pytest.mark.parametrize("words", [["versions", "99"], ["rollback", "99", "v0001"]])
def test_an_unknown_project_is_rejected_in_one_sentence(services: Services, words: list[str]) -> None:
    assert "project 99" in run_rejected(*words)


@pytest.mark.parametrize("version", ["v0009", "v0001-3f9a7d", "latest", "9" * 30])
def test_an_unknown_version_is_rejected_in_one_sentence(project: int, version: str) -> None:
    assert version in run_rejected("rollback", "7", version)


def test_a_version_for_another_config_cannot_be_rolled_back_to(services: Services, project: int) -> None:
    services.registry.register_project(7, label_config="<View>new</View>", extra_params=None)
    assert "another labelling config" in run_rejected("rollback", "7", "v0002")


@pytest.mark.parametrize("words", [["versions", "seven"], ["versions"], ["rollback", "7"], ["versions", "9" * 20], ["orbit"]])
def test_invalid_arguments_are_rejected(services: Services, words: list[str]) -> None:
    assert run(*words).exit_code == 2


@pytest.mark.parametrize(
    "words", [["project", "attach", "7"], ["project", "create", "--title", "galaxies", "--config", "morphology"]]
)
def test_a_missing_api_key_is_named(services: Services, words: list[str]) -> None:
    assert "personal access token" in run_rejected(*words)


def test_an_unknown_config_is_named(services: Services) -> None:
    assert "no-such-config" in run_rejected("project", "create", "--title", "galaxies", "--config", "no-such-config")


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [("status", "GALAXYLOOP_PORT", "http"), ("server", "GALAXYLOOP_BATCH", "0"), ("worker", "GALAXYLOOP_LEASE_S", "-1")],
)
def test_an_invalid_setting_is_named(
    services: Services, monkeypatch: pytest.MonkeyPatch, command: str, name: str, value: Any
) -> None:
    monkeypatch.setenv(name, value)
    assert name in run_rejected(command)


def test_a_server_without_a_password_listens_only_on_loopback(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALAXYLOOP_HOST", "0.0.0.0")
    assert "GALAXYLOOP_BASIC_AUTH_PASSWORD" in run_rejected("server")


def test_pretraining_without_images_is_rejected(services: Services, tmp_path: Path) -> None:
    output = str(tmp_path / "encoder.safetensors")
    assert "missing.parquet" in run_rejected("pretrain", str(tmp_path / "missing.parquet"), "--output", output)
    text = tmp_path / "text.parquet"
    text.write_text("no Parquet")
    assert "text.parquet" in run_rejected("pretrain", str(text), "--output", output)


@pytest.mark.slow
def test_a_failed_command_ends_with_its_own_message(tmp_path: Path) -> None:
    """Triton, if installed with torch, lists leaked objects after Python's end."""
    environment = os.environ | {"GALAXYLOOP_DATA_DIR": str(tmp_path), "LABEL_STUDIO_API_KEY": "", "PYTHONPATH": os.getcwd()}
    result = subprocess.run(
        [sys.executable, "-m", "backend.cli", "prelabel", "7"], capture_output=True, text=True, env=environment
    )
    assert result.stderr.splitlines()[-1].startswith("galaxyloop: the API key of Label Studio is empty")
