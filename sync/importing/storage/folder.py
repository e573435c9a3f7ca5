"""Atomic writing of a file into a local folder."""

from __future__ import annotations

from pathlib import Path

from sync.files.atomic import unsynced_write
from sync.importing.storage.stored import StorageError, StoredFile

__all__ = ["store_file"]


def store_file(folder: Path, file: StoredFile) -> Path:
    """Write a file into a folder and return its path; create the folder if needed, and do not change an existing file.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    target = folder / file.name
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unsynced_write(target) as temporary:
            temporary.write(file.content)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}") from error
    return target
