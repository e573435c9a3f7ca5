"""Options that all commands have, and the log: version, help, `--quiet`, files with settings, JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

import galaxyloop
from backend.cli.startup import log_to_stderr
from backend.settings import Settings


def test_the_version_is_printed(run: Callable[..., Result]) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"galaxyloop {galaxyloop.__version__}\n")


@pytest.mark.parametrize("words", [("-h",), ("predict", "-h"), ("project", "list", "-h")])
def test_help_has_a_short_option(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_quiet_prints_errors_and_no_notices(
    run: Callable[..., Result], registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALAXYLOOP_BATHC", "3")
    assert "GALAXYLOOP_BATHC" in run("versions", 7).stderr
    quiet = run("versions", 7, "--quiet")
    assert quiet.stderr.splitlines() == ["galaxyloop: project 7 is not registered here: attach the backend to it first"]


def test_a_config_file_that_is_not_toml_is_named(run: Callable[..., Result]) -> None:
    Path("galaxyloop.toml").write_text("batch = = 3")
    result = run("status")
    assert result.exit_code == 2
    assert result.stderr.startswith("galaxyloop: galaxyloop.toml is not valid TOML: ")


def test_the_log_may_be_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    log_to_stderr(Settings(log_format="json", log_level="WARNING"))
    logging.getLogger("galaxyloop.cycle").info("event=cycle")
    logging.getLogger("galaxyloop.cycle").warning("event=cycle project=%d", 7)
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert (record["level"], record["logger"], record["message"]) == ("WARNING", "galaxyloop.cycle", "event=cycle project=7")
