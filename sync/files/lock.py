"""One process of a machine at a time: the kernel lets go of a lock when its process ends, however it does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked"]


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a file or a folder that no other process may hold meanwhile.

    Parameters
    ----------
    path : Path
        A folder that exists, or a file, which is made.
    wait : bool
        Whether to wait for another process that holds it.

    Raises
    ------
    BlockingIOError
        If another process holds it, and one is not to wait.
    OSError
        If it cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
