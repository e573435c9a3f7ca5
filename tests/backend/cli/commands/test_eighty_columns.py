"""Help and tables of all commands fit in 80 columns, and words are not broken to fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import Result

from backend.cli.app import app
from backend.loop.effort.store import EffortStore, Entry
from backend.registry.records import Effort
from backend.registry.unreadable import Unreadable, UnreadableList
from backend.services import Services

WIDTH = 80
COMPARISON = {"difference": 0.031, "low": 0.004, "high": 0.058, "answer": "better", "tasks": 60}
EVIDENCE = {
    "reason": "class is better than the live head (+0.031, +0.004 to +0.058, 60 tasks)",
    "judged_on": 60,
    "controls": {
        "class": {
            "candidate": 0.91,
            "live": 0.88,
            "shipped": 0.75,
            "taken": "candidate",
            "versus_live": COMPARISON,
            "versus_shipped": COMPARISON,
            "judged_on": 60,
        },
    },
}


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))


@pytest.fixture
def project(run: Callable[..., Result], trained_project: Services) -> Services:
    """Return project 7 with a compared version and the effort of annotators."""
    registry = trained_project.registry
    for version in registry.versions(7)[1:]:
        registry.promote(7, version.number, evidence=EVIDENCE)
        effort = {"class": Effort(accepted=1_234, edited=56, rejected=7, added=8, compared=9, overlap=8.1)}
        EffortStore(trained_project.engine).write(7, [Entry(version.number, "now", version.number, effort)])
    reason = "the label 'Nebula' is not in the labelling config of the project"
    UnreadableList(trained_project.engine).replace(7, [Unreadable(31, 77, "class", reason, True)])
    return trained_project


def list_commands(group: Any, *words: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of each command, and those of groups."""
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from list_commands(command, *words, name)


def lines_of(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.rstrip() for line in result.stdout.splitlines()]


@pytest.mark.parametrize("words", list(list_commands(get_command(app))), ids=" ".join)
def test_help_fits_and_names_every_option(run: Callable[..., Result], words: tuple[str, ...]) -> None:
    lines = lines_of(run(*words, "--help"))
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if "…" in line.replace("…)", "")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("versions", 7), (EVIDENCE["reason"], "better: +0.031 (+0.004 to +0.058)", "unedited", "0.900")),
        (("status",), ("not yet", "waiting for the first annotations")),
        (("status", 7), (EVIDENCE["reason"],)),
        (("encoder", "list", 7), ("shipped", "live; ")),
        (("project", "problems", 7), ("the label 'Nebula' is not in the labelling config of the project",)),
    ],
    ids=str,
)
def test_tables_fit_and_lose_no_word(
    run: Callable[..., Result], project: Services, words: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    lines = lines_of(run(*words))
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(" ".join(lines).split())
    assert "…" not in text
    assert project.registry.project(7).live_name in text or words[0] == "project"
    for words_of_a_cell in expected:
        assert words_of_a_cell in text
