"""`galaxyloop export` before its first request to Label Studio; tests/e2e/test_export.py tests the requests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli.app import app
from backend.cli.commands.export import Consensus, ExportFormat
from sync.export import FORMATS, missing_packages
from sync.export.consensus.consensus import CONSENSUS


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", "1", *words])
    return result.exit_code, result.stderr


def test_the_options_equal_the_keys_of_the_registries() -> None:
    assert {option.value for option in ExportFormat} == FORMATS.keys()
    assert {option.value for option in Consensus} == CONSENSUS.keys()


def test_a_missing_extra_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert missing_packages() == []
    monkeypatch.setattr("sync.export.find_spec", lambda module: None if module == "crowdkit" else True)
    code, message = run("--format", "json", "--output", str(tmp_path / "out"))
    assert code == 1
    assert message == "galaxyloop: export needs crowd-kit, not installed here: pip install 'galaxyloop[export]'\n"


def test_fractions_that_do_not_sum_to_one_are_rejected(tmp_path: Path) -> None:
    code, message = run("--format", "json", "--output", str(tmp_path / "out"), "--split", "0.8,0.1")
    assert code == 2
    assert "add up to 1" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_export_does_not_import_torch() -> None:
    modules = ["sync.export.run", *FORMATS.values(), "crowdkit.aggregation.classification", "crowdkit.metrics.data"]
    script = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
