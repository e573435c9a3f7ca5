"""Atomic writes: a file or a folder is complete under its name, or is not there, also after a kill or a power cut.

All of it is written under another name, is on the disk before it gets its own name, and then the new name is.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["UNFINISHED", "atomic_folder", "atomic_write", "replace_folder", "unsynced_write"]

UNFINISHED = ".unfinished-"
"""Start of the name of a file or folder until it is complete; a kill leaves it behind."""
SYNCS_AT_ONCE = 8
"""The disk then writes its journal once for several files: a tenth of the time."""
READABLE, FOLDER_MODE = 0o644, 0o755
"""Permissions of other files and folders; temporary ones are their owner's alone."""


@contextmanager
def atomic_write(file: Path, *, mode: int = READABLE) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `file` when the block ends, and vanishes if it raises.

    Parameters
    ----------
    file : Path
        In a folder that exists.
    mode : int
        Permissions of the file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with unsynced_write(file, mode=mode) as unfinished:
        yield unfinished
        unfinished.flush()
        os.fsync(unfinished.fileno())
    _sync(file.parent)


@contextmanager
def unsynced_write(file: Path, *, mode: int = READABLE) -> Iterator[IO[bytes]]:
    """Open a file as `atomic_write` does, without waiting for the disk, which takes longer than all else for a small file.

    A kill leaves no incomplete file, but a power cut may: for values that are checked when they are read, and for copies of
    files that the user has.
    """
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=UNFINISHED, delete=False) as unfinished:
        try:
            yield unfinished
            unfinished.flush()
            os.fchmod(unfinished.fileno(), mode)
            os.replace(unfinished.name, file)
        except BaseException:
            os.unlink(unfinished.name)
            raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Make a folder to write into that becomes `folder` when the block ends, and vanishes if it raises.

    Parameters
    ----------
    folder : Path
        Does not exist, or is empty; the folders above it are made.

    Raises
    ------
    OSError
        If the folder cannot be written, or is not empty at the end.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
    try:
        yield unfinished
        unfinished.chmod(FOLDER_MODE)
        replace_folder(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def replace_folder(complete: Path, folder: Path) -> None:
    """Give a folder its name once all files in it are on the disk; `folder` does not exist, or is empty."""
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        list(pool.map(_sync, [complete, *complete.rglob("*")]))
    os.replace(complete, folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
