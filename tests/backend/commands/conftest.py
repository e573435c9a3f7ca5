"""Running a command in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.cli import app


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `galaxyloop` with words, in this test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "galaxyloop-data"))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def refused(run: Callable[..., Result]) -> Callable[..., str]:
    """Runs a command that must fail with one sentence; gives the sentence."""

    def refuse(*words: str) -> str:
        result = run(*words)
        assert result.exit_code == 1, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        (sentence,) = result.stderr.splitlines()
        assert sentence.startswith("galaxyloop: ")
        return str(sentence)

    return refuse


@pytest.fixture
def pictures(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """A folder with three images, one of them in a folder below, and a file that only looks like one."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for number, place in enumerate(("b.png", "a.PNG", "deep/c.png")):
        (folder / place).write_bytes(png(seed=number))
    (folder / "broken.jpg").write_text("no image")
    (folder / "notes.txt").write_text("no image, and nobody says so")
    return folder
