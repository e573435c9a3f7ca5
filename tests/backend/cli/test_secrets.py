"""Secrets in the settings appear in no output and in no log, for any failure of any command."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli.app import app
from backend.cli.commands import serve
from sync.label_studio.client import LabelStudioClient

SECRET = "hunter2-Zx9"
NOWHERE = "127.0.0.1:1"
FAILURES = {
    "database away": {"GALAXYLOOP_DATABASE_URL": f"postgresql://galaxyloop:{SECRET}@{NOWHERE}/galaxyloop"},
    "database without a port": {"GALAXYLOOP_DATABASE_URL": f"postgresql://galaxyloop:{SECRET}@127.0.0.1:port/galaxyloop"},
    "database of another kind": {"GALAXYLOOP_DATABASE_URL": f"mysql://galaxyloop:{SECRET}@{NOWHERE}/galaxyloop"},
    "queue away": {"GALAXYLOOP_QUEUE_URL": f"redis://:{SECRET}@{NOWHERE}/0"},
    "queue without a port": {"GALAXYLOOP_QUEUE_URL": f"redis://:{SECRET}@127.0.0.1:port/0"},
    "queue of another kind": {"GALAXYLOOP_QUEUE_URL": f"http://user:{SECRET}@{NOWHERE}/0"},
    "password in Label Studio's URL": {"LABEL_STUDIO_URL": f"http://user:{SECRET}@{NOWHERE}"},
    "Label Studio away": {"LABEL_STUDIO_API_KEY": SECRET},
    "token with a line break": {"LABEL_STUDIO_API_KEY": f"{SECRET}\nX-Other: {SECRET}"},
    "token beyond ASCII": {"LABEL_STUDIO_API_KEY": f"{SECRET}é"},
    "proxy without a port": {"HTTPS_PROXY": f"http://user:{SECRET}@127.0.0.1:port", "HTTP_PROXY": f"http://user:{SECRET}@:x"},
    "proxy away": {"HTTP_PROXY": f"http://user:{SECRET}@{NOWHERE}", "LABEL_STUDIO_URL": "http://studio.example"},
    "secrets with line breaks": {
        "GALAXYLOOP_BASIC_AUTH_PASSWORD": f"{SECRET}\n",
        "GALAXYLOOP_WEBHOOK_SECRET": f"{SECRET}\r\né",
        "GALAXYLOOP_S3_SECRET_ACCESS_KEY": f"{SECRET}\n",
    },
    "a setting that is wrong": {"GALAXYLOOP_PORT": "none", "GALAXYLOOP_DATABASE_PASSWORD": SECRET},
}
COMMANDS = (
    "status",
    "check",
    "doctor",
    "versions 7",
    "rollback 7 v0001",
    "pin 7 v0001",
    "status 7 --json",
    "project list",
    "project create Rings --config morphology",
    "project status 7",
    "project attach 7",
    "project detach 7",
    "project forget 7 --yes",
    "project problems 7",
    "import 7 images",
    "import-regions 7 catalogue.csv",
    "export 7 out",
    "prelabel 7",
)  # fmt: skip
QUICK = ("check", "project list")
"""Commands of `make test-fast`: of the registry and queue, and of Label Studio."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"none")
    (tmp_path / "catalogue.csv").write_text("image,x,y\na.png,1,2\n")
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LABEL_STUDIO_URL", f"http://{NOWHERE}")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-legacy-token")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setitem(LabelStudioClient.__init__.__kwdefaults__, "patience_s", 0.0)  # type: ignore[arg-type]
    monkeypatch.setattr(serve, "DATABASE_PATIENCE_S", 0.0)
    return tmp_path


def assert_secret(words: str, monkeypatch: pytest.MonkeyPatch, failure: dict[str, str], log: pytest.LogCaptureFixture) -> None:
    for name, value in failure.items():
        monkeypatch.setenv(name, value)
    with log.at_level(logging.DEBUG):
        result = CliRunner().invoke(app, words.split())
    output = result.output + log.text
    assert SECRET not in output
    assert "Traceback" not in output
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("words", [pytest.param(words, marks=() if words in QUICK else pytest.mark.slow) for words in COMMANDS])
def test_a_failed_command_prints_no_secret(
    words: str, failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert_secret(words, monkeypatch, FAILURES[failure], caplog)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("failure", [name for name in FAILURES if name.startswith("database")])
@pytest.mark.parametrize("words", ["server", "worker"])
def test_a_process_that_cannot_start_prints_no_secret(
    words: str, failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert_secret(words, monkeypatch, FAILURES[failure], caplog)
