"""Read the tables that commands print."""

from __future__ import annotations

import re

__all__ = ["rows_of"]


def rows_of(output: str) -> list[list[str]]:
    """Return the cells of each line: the program separates columns by at least two spaces, and leaves empty cells blank."""
    return [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
