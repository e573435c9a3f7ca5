"""Atomic writing of a file into a local folder."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sync.importing.storage.stored import StorageError, StoredFile

__all__ = ["store_file"]


def store_file(folder: Path, file: StoredFile) -> Path:
    """Write a file into a folder, which is created if missing; an existing file is not changed.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    target = folder / file.name
    if target.exists():
        return target
    unfinished = folder / f".{file.name}.{os.getpid()}.unfinished"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(file.content)
        os.replace(unfinished, target)
    except OSError as error:
        with contextlib.suppress(OSError):  # it may not exist
            unfinished.unlink()
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return target
