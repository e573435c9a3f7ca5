"""`galaxyloop export` before its first request to Label Studio; tests/e2e/test_export.py tests the requests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli.app import app
from backend.cli.commands.export import Consensus, Format
from sync.export import FORMATS, missing_packages
from sync.export.consensus.consensus import CONSENSUS


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", "1", *words])
    return done.exit_code, done.stderr


def test_the_options_are_the_registries_keys() -> None:
    assert {one.value for one in Format} == FORMATS.keys()
    assert {one.value for one in Consensus} == CONSENSUS.keys()


def test_a_missing_extra_is_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert missing_packages() == []
    monkeypatch.setattr("sync.export.find_spec", lambda module: None if module == "crowdkit" else True)
    code, said = run("--format", "json", "--output", str(tmp_path / "out"))
    assert code == 1
    assert said == "galaxyloop: export needs crowd-kit, not installed here: pip install 'galaxyloop[export]'\n"


def test_a_split_that_does_not_add_up_is_refused(tmp_path: Path) -> None:
    code, said = run("--format", "json", "--output", str(tmp_path / "out"), "--split", "0.8,0.1")
    assert code == 2
    assert "add up to 1" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_nothing_of_torch_is_loaded_for_an_export() -> None:
    modules = ["sync.export.run", *FORMATS.values(), "crowdkit.aggregation.classification", "crowdkit.metrics.data"]
    script = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
