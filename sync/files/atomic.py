"""Files that are there wholly or not at all, also after a kill or a power cut."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["UNFINISHED", "atomic_write"]

UNFINISHED = ".unfinished-"
"""How the name of a file begins that a kill left behind."""


@contextmanager
def atomic_write(file: Path) -> Iterator[IO[bytes]]:
    """Write a file under another name, and give it its own when all of it is on the disk.

    Raises
    ------
    OSError
        If the disk is full, or goes away.
    """
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=UNFINISHED, delete=False) as unfinished:
        try:
            yield unfinished
            unfinished.flush()
            os.fsync(unfinished.fileno())
            os.chmod(unfinished.name, 0o644)  # as any other file, and not for this user alone
            os.replace(unfinished.name, file)
        except BaseException:
            os.unlink(unfinished.name)
            raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Have the disk keep the new name, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
