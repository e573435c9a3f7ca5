"""A command's output file: complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from backend.cli.terminal import stop, wrong_call

__all__ = ["written_whole"]


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its place in one step when the block ends well, and vanishes otherwise.

    Where nothing can be written the command ends at once with a sentence, not after an hour of work.
    """
    if path.is_dir():
        wrong_call(f"{path} is a folder: name a file for the output")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = unfinished.open("w+b")
    except OSError as error:
        stop(f"{path} cannot be written: {error.strerror or error}")
    try:
        with file:
            yield file
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
