"""Exclusive locks between processes of one machine; the kernel releases the lock of a process that ends for any reason."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["hold_lock"]


@contextmanager
def hold_lock(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold an exclusive lock on a file or folder during the block.

    Parameters
    ----------
    path : Path
        An existing folder, or a file, which is created if missing.
    wait : bool
        Whether to wait until another process releases the lock.

    Raises
    ------
    BlockingIOError
        If `wait` is False and another process holds the lock.
    OSError
        If the path cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
