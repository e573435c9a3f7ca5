"""Output of commands: results on standard output, progress and errors on standard error, and the exit codes."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from backend.registry.records import MAX_ID
from sync.errors.failures import WrongCallError

__all__ = [
    "IMAGES_HELP",
    "INCOMPLETE",
    "MAX_COUNT",
    "NOT_FOUND",
    "AsJson",
    "Extension",
    "ImagePaths",
    "Limit",
    "ProjectId",
    "console",
    "end_with_left_out",
    "format_time",
    "list_left_out",
    "name_nearest",
    "notices",
    "print_json",
    "stop",
    "stop_for",
    "wrong_call",
]

console = Console(markup=False, emoji=False)
notices = Console(stderr=True, markup=False, emoji=False)
"""Console for progress, on standard error, so that scripts can pipe standard output.

Neither console interprets `[bold]` or `:star:`: file names, titles and names of controls may contain such texts.
"""

ProjectId = Annotated[
    int, typer.Argument(metavar="PROJECT", min=1, max=MAX_ID, help="Number of the project, as in the URL of its page.")
]

Extension = Annotated[
    str, typer.Option(metavar="NAME|NUMBER|NAME,VERSION", help="Extension of a FITS file with several images.")
]

IMAGES_HELP = "Images, folders, patterns, Parquet files or s3://bucket/prefix/*.fits."
ImagePaths = Annotated[list[str], typer.Argument(metavar="PATHS...", help=IMAGES_HELP)]
AsJson = Annotated[bool, typer.Option("--json", help="Write the result as JSON, for scripts (docs/commands.md).")]
MAX_COUNT = 10**12
"""Largest number that an option of a count takes; Python's iterators count to 2**63 - 1."""
Limit = Annotated[int | None, typer.Option(min=1, max=MAX_COUNT, help="Largest number of images; default: all.")]

NOT_FOUND = 404
"""HTTP status of Label Studio's answer if the project does not exist."""
INCOMPLETE, WRONG_CALL = 1, 2
"""Exit codes of failed or incomplete work and of a wrong call; 0 means that everything is done. See `docs/commands.md`."""


def format_time(seconds: float) -> str:
    """Format a Unix time by this machine's clock; empty for 0."""
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""


def stop(reason: str) -> NoReturn:
    """End the command with exit code 1 and one sentence: the work failed or is incomplete."""
    print(f"galaxyloop: {reason}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(INCOMPLETE)


def wrong_call(reason: str) -> NoReturn:
    """End the command with exit code 2 and one sentence before any work: the user must change the call."""
    print(f"galaxyloop: {reason}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(WRONG_CALL)


def stop_for(error: Exception) -> NoReturn:
    """End the command with an error's sentence; as a wrong call if the call names something that does not exist."""
    named_nothing = isinstance(error, WrongCallError) or getattr(error, "status", None) == NOT_FOUND
    (wrong_call if named_nothing else stop)(str(error))


def print_json(value: object) -> None:
    """Print a value as JSON on standard output, for scripts; `docs/commands.md` documents the keys."""
    print(json.dumps(value, indent=1, allow_nan=False))  # noqa: T201


def name_nearest(name: str, names: Iterable[str]) -> str:
    """Return `: did you mean …?` with the nearest of `names`, for the end of a sentence; empty if none is near."""
    nearest = get_close_matches(name.lower(), list(names), n=1)
    return f": did you mean {nearest[0]}?" if nearest else ""


def list_left_out(reasons: Mapping[str, str]) -> None:
    """Print the items that a command left out, one line each with the reason; print nothing if there are none."""
    if reasons:
        print(f"galaxyloop: {len(reasons)} {'is' if len(reasons) == 1 else 'are'} left out:", file=sys.stderr)  # noqa: T201
    for name, reason in reasons.items():
        print(f"  {' '.join(name.splitlines())}: {reason}", file=sys.stderr)  # noqa: T201


def end_with_left_out(reasons: Mapping[str, str]) -> None:
    """Print the items that a command left out; if there are any, end the command with exit code 1."""
    list_left_out(reasons)
    if reasons:
        raise typer.Exit(INCOMPLETE)
