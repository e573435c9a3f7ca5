"""A command's output file, written atomically."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from backend.cli.terminal import stop, wrong_call
from sync.files.atomic import atomic_write

__all__ = ["open_output", "reject_input"]


def reject_input(output: Path, inputs: Iterable[Path | str | None]) -> None:
    """End the command with a wrong call if its output is one of the files that it reads; addresses and None are no files."""
    if output.exists() and any(path is not None and Path(path).exists() and output.samefile(path) for path in inputs):
        wrong_call(f"{output} is an input, which is not overwritten: name another output")


@contextmanager
def open_output(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing; rename it to `path` when the block succeeds, and delete it otherwise.

    If the file cannot be created, the command ends immediately and not after an hour of work.
    """
    if path.is_dir():
        wrong_call(f"{path} is a folder: name a file for the output")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(atomic_write(path))
        except OSError as error:
            stop(f"{path} cannot be written: {error.strerror or error}")
        yield file
