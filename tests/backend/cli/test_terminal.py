"""The consoles print texts of others, such as file names and titles, as they are."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from backend.cli import terminal


@pytest.mark.parametrize("console", [terminal.console, terminal.notices], ids=["output", "notices"])
@pytest.mark.parametrize("text", ["c[/b]", "[bold]x", ":star:", "[red]failed[/red]"])
def test_markup_in_a_text_is_printed_as_it_is(console: Console, text: str) -> None:
    table = Table(text)
    table.add_row(f"a title {text}")
    with console.capture() as capture:
        console.print(f"left out {text}")
        console.print(table)
    assert capture.get().count(text) == 3
