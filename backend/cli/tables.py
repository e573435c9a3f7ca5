"""Tables on a terminal of any width: a table where its columns have room, otherwise a block of lines for each row."""

from __future__ import annotations

from rich import box
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Column, Table

from backend.cli.terminal import console

__all__ = ["print_table"]

LEAST_WRAPPED = 20
"""Narrowest column in which a long text is wrapped, characters."""
GAP = 2
"""Characters after a column: its padding, and the divider of the box."""


def print_table(table: Table) -> None:
    """Print a table; as one block per row if a column would be narrower than `LEAST_WRAPPED` or its longest word."""
    table.box, table.show_edge, table.pad_edge, table.padding = box.SIMPLE_HEAD, False, False, (0, 1, 0, 0)
    if sum(_least_width(column) + GAP for column in table.columns) <= console.width:
        console.print(table)
        return
    for row in zip(*(column.cells for column in table.columns), strict=True):
        lines = Table.grid("", "", padding=(0, GAP, 0, 0))
        for column, cell in zip(table.columns[1:], row[1:], strict=True):
            if str(cell):
                lines.add_row(column.header, cell)
        console.print(row[0], style="bold", highlight=False)
        console.print(Padding(lines, (0, 0, 0, GAP)))


def _least_width(column: Column) -> int:
    widths = [Measurement.get(console, console.options.update(width=10**6), cell) for cell in (column.header, *column.cells)]
    widest, longest_word = max(each.maximum for each in widths), max(each.minimum for each in widths)
    return widest if column.no_wrap else max(min(widest, LEAST_WRAPPED), longest_word)
