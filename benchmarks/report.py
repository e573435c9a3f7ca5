"""The page of results: each benchmark writes its own section of docs/benchmarks.md and its own JSON file.

The text between a section's two markers is replaced; the text around them is kept. Several benchmarks may write at the same
time, so the page is read and written under a lock.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sync.files.atomic import atomic_write
from sync.files.lock import hold_lock

__all__ = ["IMAGES", "PAGE", "RESULTS", "machine_line", "markdown_table", "with_section", "write_numbers", "write_section"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
IMAGES = ROOT / "docs" / "images"
RESULTS = ROOT / "benchmarks" / "results"


def write_section(name: str, markdown: str, *, page: Path = PAGE) -> None:
    """Replace a benchmark's section of the page, or add it at the end.

    Parameters
    ----------
    name : str
        Name of the section.
    markdown : str
        Text between the markers, without a heading; the heading is outside the markers and may be edited by hand.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(page.parent, wait=True):  # a lock on the page would be on the old file, since the page is replaced
        before = page.read_text() if page.exists() else "# Benchmarks\n"
        with atomic_write(page) as file:
            file.write(with_section(before, name, markdown).encode())


def with_section(page: str, name: str, markdown: str) -> str:
    """Return the text of a page in which the section `name` holds `markdown`.

    Raises
    ------
    ValueError
        If a section has no end marker, since the text after it would be lost.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n\n{markdown.strip()}\n\n{end}"
    before, start_mark, rest = page.partition(begin)
    if not start_mark:
        return f"{page.rstrip()}\n\n## {name.replace('_', ' ').capitalize()}\n\n{section}\n"
    _, end_mark, after = rest.partition(end)
    if not end_mark:
        raise ValueError(f"the page has {begin!r} without {end!r}")
    return before + section + after


def write_numbers(name: str, numbers: Mapping[str, Any]) -> Path:
    """Write a benchmark's numbers to benchmarks/results/<name>.json atomically; return the path."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"{name}.json"
    with atomic_write(file) as content:
        content.write((json.dumps(numbers, indent=1) + "\n").encode())
    return file


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> str:
    """Return a table as Markdown, with a bold title if `title` is not empty."""
    lines = [columns, ["---"] * len(columns), *rows]
    return (f"**{title}**\n\n" if title else "") + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine_line() -> str:
    """Return the machine and the day of a run: cores, processor, Python, date."""
    return f"{os.cpu_count()} cores, {_processor()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"


def _processor() -> str:
    """Return the processor's name on Linux, elsewhere its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
