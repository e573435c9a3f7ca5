"""Help and tables of all commands fit in 80 columns, and words are not broken to fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import typer
from typer.main import get_command
from typer.testing import Result

from backend.cli.app import app
from backend.loop.effort.store import EffortStore, Entry
from backend.registry.records import Effort
from backend.services import Services

WIDTH = 80
COMPARISON = {"difference": 0.031, "low": 0.004, "high": 0.058, "answer": "better", "tasks": 60}
EVIDENCE = {
    "reason": "class is better than the live head (+0.031, +0.004 to +0.058, 60 tasks)",
    "judged_on": 60,
    "controls": {
        "class": {"candidate": 0.91, "live": 0.88, "shipped": 0.75, "taken": "candidate", "versus_live": COMPARISON},
    },
}


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("TERMINAL_WIDTH", str(WIDTH))


@pytest.fixture
def project(run: Callable[..., Result], trained_project: Services) -> Services:
    """Return project 7 with a compared version and the effort of annotators."""
    registry = trained_project.registry
    for version in registry.versions(7)[1:]:
        registry.promote(7, version.number, evidence=EVIDENCE)
        effort = {"class": Effort(accepted=1_234, edited=56, rejected=7, added=8, compared=9, overlap=8.1)}
        EffortStore(trained_project.engine).write(7, [Entry(version.number, "now", version.number, effort)])
    return trained_project


def list_commands(group: typer.models.TyperInfo | object = None, *words: str) -> Iterator[tuple[str, ...]]:
    group = get_command(app) if group is None else group
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from list_commands(command, *words, name)
        yield (*words, name)


def lines_of(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.stdout.splitlines()]


@pytest.mark.parametrize("words", [(), *list_commands()], ids=" ".join)
def test_help_fits_and_names_every_option(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    lines = lines_of(run(*words, "--help"))
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if "…" in line.replace("…)", "")]


@pytest.mark.parametrize("words", [("versions", 7), ("status",), ("status", 7), ("encoder", "list", 7)], ids=str)
def test_tables_fit_and_do_not_break_words(run: Callable[..., Result], project: Services, words: tuple[str, ...]) -> None:
    lines = lines_of(run(*words))
    print("\n".join(lines))
    assert max(map(len, lines)) <= WIDTH
