"""`galaxyloop project`: the demo's setup of its project, by commands for any project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.cli.label_config import read_label_config
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER, attach_backend
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project, project_state
from sync.labelling.instructions import annotator_instructions


@pytest.fixture
def run(
    label_studio: tuple[str, str], recording_backend: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Return a function that runs `galaxyloop project`; the backend is a recording one."""
    values = {
        "LABEL_STUDIO_URL": label_studio[0],
        "LABEL_STUDIO_API_KEY": label_studio[1],
        "GALAXYLOOP_DATA_DIR": str(tmp_path),
        "GALAXYLOOP_BACKEND_URL": recording_backend.url,
        "GALAXYLOOP_BASIC_AUTH_PASSWORD": "a-password",
        "GALAXYLOOP_WEBHOOK_SECRET": "a-secret",
        "COLUMNS": "200",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(app, ["project", *(str(word) for word in words)])


def test_a_project_is_created_attached_and_described(
    client: LabelStudioClient, run: Callable[..., Result], recording_backend: Any
) -> None:
    result = run("create", "--title", "Ring galaxies", "--config", "rings_and_bars")
    project = int(result.stdout)
    project_record = client.get(f"/api/projects/{project}/")
    assert project_record["show_instruction"]
    assert project_record["expert_instruction"] == annotator_instructions(read_label_config("rings_and_bars"))
    assert f"{recording_backend.url} is not attached: galaxyloop project attach {project}" in run("status", project).stdout
    for _ in range(2):
        assert run("attach", project, "--batch", 25).exit_code == 0
    (row,) = client.get("/api/ml", project=project)
    assert (row["url"], row["is_interactive"], row["extra_params"]) == (recording_backend.url, True, {"batch": 25})
    (hook,) = client.get("/api/webhooks/", project=project)
    assert hook["headers"][WEBHOOK_SECRET_HEADER] == "a-secret"
    state = project_state(client, project)
    assert (state.sampling, state.model_version) == ("Uncertainty sampling", row["title"])
    status = run("status", project).stdout
    assert "Ring galaxies" in status
    assert "structure, outline" in status
    assert f"{recording_backend.url} is attached" in status
    assert "are sent and lost: no server runs" in status
    assert "does not run, and none has run before: start galaxyloop worker" in status
    assert f"{row['title']}, not published yet" in status


def test_a_backend_that_label_studio_does_not_call_is_reported(
    client: LabelStudioClient, run: Callable[..., Result], recording_backend: Any, label_studio: tuple[str, str]
) -> None:
    project = create_project(client, "Two backends", "<View/>")
    other = recording_backend.url.replace("127.0.0.1", "localhost")
    attach_backend(client, project, url=other, title="v0001")
    result = run("attach", project)
    assert result.exit_code == 1
    assert f"Label Studio calls only its first backend, {other}: remove that one" in result.stderr


@pytest.mark.parametrize("words", [("status", 4711), ("attach", 4711)])
def test_a_missing_project_is_rejected_in_one_sentence(run: Callable[..., Result], words: tuple[Any, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    *notices, sentence = result.stderr.splitlines()  # `status` also states that there is no registry
    assert ["has no registry" in notice for notice in notices] == [True] * (words[0] == "status")
    assert sentence == "galaxyloop: Label Studio has no project 4711 that this key may see"


def test_a_title_that_label_studio_rejects_is_reported(run: Callable[..., Result]) -> None:
    assert "a project's title needs 3 to 50 characters, not 'ab'" in run("create", "--title", "ab", "--config", "boxes").stderr


def test_unsupported_parts_of_a_config_are_named(run: Callable[..., Result], recording_backend: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.xml"
    config.write_text(
        '<View><Image name="image" value="$image"/><Image name="other" value="https://pictures.example/$name.png"/>'
        '<Choices name="kind" toName="image"><Choice value="Spiral"/></Choices>'
        '<Repeater on="$images"><Image name="page{{idx}}" value="$images[{{idx}}]"/></Repeater></View>'
    )
    project = int(run("create", "--title", "Not all of it", "--config", config).stdout)
    result, status = run("attach", project).stdout, run("status", project).stdout
    overview = CliRunner().invoke(app, ["status"]).stdout
    for output in (result, status.replace("\n", " "), overview):
        assert "the Repeater on '$images'" in output
        assert "the Image 'other' shows 'https://pictures.example/$name.png'" in output
    assert f"not supported in project {project}: " in overview
