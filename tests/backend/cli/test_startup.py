"""Commands without a data folder: they create none, and either work without it or name it in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partialmethod
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from backend.cli.app import app
from backend.cli.startup import explain_missing_registry
from backend.settings import Settings
from sync.label_studio.client import LabelStudioClient
from tests.small_label_studio import KEY, PROJECT, running

Run = Callable[..., Result]
CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Round"/><Choice value="Flat"/></Choices></View>"""
NEEDS_REGISTRY = (
    *("status", "status 7", "status --json", "versions 7", "rollback 7 v0001", "pin 7", "unpin 7", "similar 7 --task 3"),
    *("encoder list 7", "encoder try 7 shipped", "encoder use 7 shipped", "encoder rollback 7", "project problems 7"),
    *("predict a.png --project 7 --output out.json", "survey a.png --project 7 --output out"),
    "restore a.png --denoise --project 7 --output out.fits",
)
SENTENCE = (
    "galaxyloop: there is no data folder galaxyloop-data: set GALAXYLOOP_DATA_DIR to that of this installation, "
    "or start galaxyloop server, which creates it"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, png: Callable[..., bytes]) -> Run:
    """Return a function that runs `galaxyloop` in a folder with one image and without a data folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GALAXYLOOP_DATA_DIR", raising=False)
    monkeypatch.setattr(LabelStudioClient, "__init__", partialmethod(LabelStudioClient.__init__, patience_s=0.1))
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
    Path("a.png").write_bytes(png(size=(40, 40), spots=((20, 20, 4),)))
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize("words", NEEDS_REGISTRY)
def test_a_command_that_needs_a_registry_names_the_missing_data_folder(run: Run, words: str) -> None:
    result = run(*words.split())
    assert result.exit_code == 2, result.output
    assert result.stderr.splitlines() == [SENTENCE]
    assert [file.name for file in Path().iterdir()] == ["a.png"]


@pytest.mark.parametrize("words", ["check", "check --worker"])
def test_the_check_of_a_missing_data_folder_fails_and_creates_nothing(run: Run, words: str) -> None:
    result = run(*words.split())
    assert (result.exit_code, result.stderr.splitlines()) == (1, [SENTENCE])
    assert not Path("galaxyloop-data").exists()


def test_a_folder_without_a_registry_is_named_as_such(run: Run) -> None:
    Path("galaxyloop-data").mkdir()
    result = run("status")
    assert result.exit_code == 2
    assert result.stderr.startswith("galaxyloop: the data folder galaxyloop-data has no registry: set GALAXYLOOP_DATA_DIR")
    assert list(Path("galaxyloop-data").iterdir()) == []


def test_a_missing_database_of_the_settings_is_named_by_its_variable(tmp_path: Path) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/none.db")
    assert explain_missing_registry(settings).startswith(
        f"there is no database {tmp_path}/none.db: correct GALAXYLOOP_DATABASE_URL"
    )
    assert explain_missing_registry(Settings(database_url="postgresql://galaxyloop@postgres/galaxyloop")) == ""


@pytest.mark.slow
@pytest.mark.parametrize("words", ["encoder list", "encoder list --json", "predict a.png --config morphology --output out.csv"])
def test_a_command_that_needs_no_registry_creates_no_data_folder(run: Run, words: str) -> None:
    result = run(*words.split())
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert not Path("galaxyloop-data").exists()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ("project list", 0, "not attached"),
        (f"project status {PROJECT}", 0, "none: the project is not registered here yet"),
        (f"project detach {PROJECT}", 2, f"project {PROJECT} has no backend at"),
        (f"project forget {PROJECT} --yes", 2, f"project {PROJECT} is not registered here"),
    ],
)
def test_commands_about_label_studio_work_with_a_notice(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: str, code: int, text: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with running(CONFIG) as server:
        monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
        result = run(*words.split())
    assert result.exit_code == code, result.output
    assert text in result.output
    assert result.stderr.splitlines()[0] == SENTENCE
    assert not Path("galaxyloop-data").exists()
