"""Atomic writes: after a kill or a power cut, a file or folder either is complete or does not exist under its name.

The content is written under a temporary name and flushed to disk, then renamed; finally the parent folder is flushed to disk.
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

__all__ = ["UNFINISHED", "atomic_folder", "atomic_write", "flush_folder", "rename_folder", "unsynced_write"]

UNFINISHED = ".unfinished-"
"""Prefix of the temporary names of files and folders; after a kill, such files remain."""
SYNCS_AT_ONCE = 8
"""Concurrent calls of fsync: the disk writes its journal once for several files, which needs a tenth of the time."""
READABLE, FOLDER_MODE = 0o644, 0o755
"""Permissions of complete files and folders; temporary ones are accessible to their owner only."""


@contextmanager
def atomic_write(file: Path, *, mode: int = READABLE) -> Iterator[IO[bytes]]:
    """Open a temporary file for writing that replaces `file` at the end of the block; delete it if the block raises.

    Parameters
    ----------
    file : Path
        Target; its folder must exist.
    mode : int
        Permissions of the file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with unsynced_write(file, mode=mode) as temporary:
        yield temporary
        temporary.flush()
        os.fsync(temporary.fileno())
    _sync(file.parent)


@contextmanager
def unsynced_write(file: Path, *, mode: int = READABLE) -> Iterator[IO[bytes]]:
    """Open a file like `atomic_write`, without fsync, which dominates the time for small files.

    A kill leaves no incomplete file under the name, but a power cut may. Use it for values with a checksum, and for copies of
    files that the user has.
    """
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=UNFINISHED, delete=False) as temporary:
        try:
            yield temporary
            temporary.flush()
            os.fchmod(temporary.fileno(), mode)
            os.replace(temporary.name, file)
        except BaseException:
            os.unlink(temporary.name)
            raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Create a temporary folder that becomes `folder` at the end of the block; delete it if the block raises.

    Parameters
    ----------
    folder : Path
        Target, which does not exist or is empty; missing parent folders are created.

    Raises
    ------
    OSError
        If the folder cannot be written, or `folder` is not empty at the end of the block.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(FOLDER_MODE)
        flush_folder(temporary)
        rename_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Flush a folder and all files in it to disk."""
    with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
        list(pool.map(_sync, [folder, *folder.rglob("*")]))


def rename_folder(source: Path, folder: Path) -> None:
    """Rename a folder that is on disk to `folder`, which does not exist or is empty, and flush its new name."""
    os.replace(source, folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
