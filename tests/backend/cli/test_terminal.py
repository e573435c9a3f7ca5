"""The consoles print texts of others, such as file names and titles, as they are, at the current width of the terminal."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from backend.cli import terminal
from backend.cli.app import app


@pytest.mark.parametrize("console", [terminal.console, terminal.notices], ids=["output", "notices"])
@pytest.mark.parametrize("text", ["c[/b]", "[bold]x", ":star:", "[red]failed[/red]"])
def test_markup_in_a_text_is_printed_as_it_is(console: Console, text: str) -> None:
    table = Table(text)
    table.add_row(f"a title {text}")
    with console.capture() as capture:
        console.print(f"left out {text}")
        console.print(table)
    assert capture.get().count(text) == 3


@pytest.mark.parametrize("columns", [60, 120])
def test_consoles_and_help_have_the_current_width_of_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert (terminal.console.width, terminal.notices.width) == (columns, columns)
    assert max(map(len, CliRunner().invoke(app, ["export", "--help"]).stdout.splitlines())) == columns
