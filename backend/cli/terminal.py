"""How a command speaks: what it says on standard output, and the one sentence with which it ends where something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.progress import track

from backend.registry.records import MAX_ID
from sync.errors.failures import WrongCallError

__all__ = [
    "INCOMPLETE",
    "Extension",
    "ProjectId",
    "console",
    "end_with_left_out",
    "list_left_out",
    "notices",
    "stop",
    "stop_for",
    "with_progress",
    "wrong_call",
]

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


NOT_FOUND = 404
"""HTTP status of Label Studio's answer where it has no such project."""
INCOMPLETE, WRONG_CALL = 1, 2
"""Exit codes; 0 is all done. `docs/commands.md` has the rule."""


def stop(reason: str) -> NoReturn:
    """End the command with one sentence: the work failed, or not all of it is done."""
    print(f"galaxyloop: {reason}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(INCOMPLETE)


def wrong_call(reason: str) -> NoReturn:
    """End the command with one sentence before it has begun: the call must be changed."""
    print(f"galaxyloop: {reason}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(WRONG_CALL)


def stop_for(error: Exception) -> NoReturn:
    """End the command with an error's sentence: as a wrong call where it names what does not exist."""
    named_nothing = isinstance(error, WrongCallError) or getattr(error, "status", None) == NOT_FOUND
    (wrong_call if named_nothing else stop)(str(error))


def with_progress(items: Iterable[Item], title: str, *, total: int) -> Iterator[Item]:
    """Give `items` on, under a bar on standard error where a person looks at it."""
    yield from track(items, title, total=total, console=notices, disable=not notices.is_terminal)


def list_left_out(reasons: Mapping[str, str]) -> None:
    """Name the items that a command left out, a line each with the reason; nothing is said where there are none."""
    if reasons:
        print(f"galaxyloop: {len(reasons)} could not be read and are left out:", file=sys.stderr)  # noqa: T201
    for name, reason in reasons.items():
        print(f"  {' '.join(name.splitlines())}: {reason}", file=sys.stderr)  # noqa: T201


def end_with_left_out(reasons: Mapping[str, str]) -> None:
    """List what a command left out; the exit code says whether anything was."""
    list_left_out(reasons)
    if reasons:
        raise typer.Exit(INCOMPLETE)
