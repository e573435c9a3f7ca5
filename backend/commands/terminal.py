"""How a command speaks: what it says on standard output, and the one sentence with which it ends where something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import track

from backend.records import MAX_ID

__all__ = ["Extension", "ProjectId", "console", "list_left_out", "notices", "stop", "with_progress"]

Item = TypeVar("Item")

console = Console()
notices = Console(stderr=True)
"""For progress: what stands on standard output can be piped."""

ProjectId = Annotated[
    int, typer.Argument(metavar="PROJECT", min=1, max=MAX_ID, help="Number of the project in Label Studio's address.")
]

Extension = Annotated[
    str, typer.Option(metavar="NAME|NUMBER|NAME,VERSION", help="Which image of a FITS file, where it holds several.")
]


def stop(reason: str) -> NoReturn:
    """End the command with one sentence and exit code 1."""
    print(f"galaxyloop: {reason}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(1)


def with_progress(items: Iterable[Item], title: str, *, total: int) -> Iterator[Item]:
    """Give `items` on, under a bar on standard error where a person looks at it."""
    yield from track(items, title, total=total, console=notices, disable=not notices.is_terminal)


def list_left_out(reasons: Mapping[str, str]) -> None:
    """Name the images that a command left out, each with the reason; nothing is said where there are none."""
    if reasons:
        print(f"galaxyloop: {len(reasons)} could not be read and are left out:", file=sys.stderr)  # noqa: T201
    for path, reason in reasons.items():
        print(f"  {path}: {reason}", file=sys.stderr)  # noqa: T201
