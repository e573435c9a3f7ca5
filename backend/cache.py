"""A cache of files on disk, shared by processes: what can be computed again, bounded in size, the longest unused goes first.

Keys are hashes of everything that a value depends on, so a value never becomes wrong and two processes that write one key write
the same bytes. The usual cache libraries store pickles; here a value is bytes and is never executed. Where every image is seen
once, as in a survey, nothing is worth a place on the disk: there a cache in memory keeps what several heads ask of one image.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cachetools import LRUCache

__all__ = ["Cache", "FileCache", "MemoryCache", "key_of"]

EVICT_EVERY = 256
"""Writes between two looks at the size."""
TOUCH_EVERY_S = 3600
"""How exactly the time of last use is kept: finer would cost a disk write a read."""


def key_of(*parts: str | bytes) -> str:
    """Hash parts into a key: 40 hexadecimal digits, different for different parts."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:40]


class Cache(Protocol):
    """Bytes by key."""

    def get(self, key: str) -> bytes | None:
        """Read a value, or None where there is none."""

    def put(self, key: str, value: bytes) -> None:
        """Write a value, wholly or not at all."""


class MemoryCache:
    """The values used last, in this process's memory; threads may share it.

    Parameters
    ----------
    max_bytes : int
        Of the values; a larger one is not kept.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._values: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Read a value, or None where there is none."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, and let go of the longest unused for it."""
        with self._lock, suppress(ValueError):  # that is what a value larger than the cache gets
            self._values[key] = value


class FileCache:
    """Bytes by key, in files.

    Parameters
    ----------
    folder : Path
        Made when missing.
    max_bytes : int
        Size to keep to, roughly: it is looked at every `EVICT_EVERY` writes.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._writes = 0

    def get(self, key: str) -> bytes | None:
        """Read a value, or None where there is none."""
        file = self._file(key)
        try:
            value = file.read_bytes()
            if time.time() - file.stat().st_mtime > TOUCH_EVERY_S:
                os.utime(file)
        except FileNotFoundError:
            return None
        return value

    def put(self, key: str, value: bytes) -> None:
        """Write a value, wholly or not at all."""
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as unfinished:
            unfinished.write(value)
        os.replace(unfinished.name, file)
        self._writes += 1
        if self._writes % EVICT_EVERY == 0:
            self.evict()

    def evict(self) -> None:
        """Remove the longest unused values until the cache is at nine tenths of its size, if it has outgrown it."""
        entries = []
        for file in self._folder.glob("*/*"):
            try:
                stat = file.stat()
            except FileNotFoundError:  # another process evicts as well
                continue
            entries.append((stat.st_mtime, stat.st_size, file))
        size = sum(entry[1] for entry in entries)
        if size <= self._max_bytes:
            return
        for _, bytes_, file in sorted(entries, key=lambda entry: entry[0]):
            file.unlink(missing_ok=True)
            size -= bytes_
            if size <= 0.9 * self._max_bytes:
                return

    def _file(self, key: str) -> Path:
        return self._folder / key[:2] / key
