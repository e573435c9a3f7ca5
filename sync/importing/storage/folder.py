"""Files in a folder of this machine, each complete or not there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sync.importing.storage.stored import StorageError, StoredFile

__all__ = ["keep"]


def keep(folder: Path, file: StoredFile) -> Path:
    """Write a file into a folder, which is made if absent; one that is there already stays.

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
        with contextlib.suppress(OSError):  # it may never have been there
            unfinished.unlink()
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return target
