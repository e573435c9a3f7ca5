"""A cache of files on disk, shared by processes: what can be computed again, bounded in size, the longest unused goes first.

Keys are hashes of everything that a value depends on, so a value never becomes wrong and two processes that write one key write
the same bytes. The usual cache libraries store pickles; here a value is bytes and is never executed. Where every image is seen
once, as in a survey, nothing is worth a place on the disk: there a cache in memory keeps what several heads ask of one image.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cachetools import LRUCache

from sync.files.atomic import unsynced_write

__all__ = ["Cache", "FileCache", "MemoryCache", "key_of"]

log = logging.getLogger("galaxyloop.cache")

MEASURED_EVERY = 0.05
"""Share of the bound that a process writes before it measures the cache: two processes together stay within a tenth of it."""
CHECKED = ".checked"
"""Suffix of a file that begins with the checksum of its value; files without it are of releases that wrote none."""
CHECKSUM_BYTES = 16
UNFINISHED = "."
"""Start of the name of a file until its value is written, also of earlier releases."""
UNFINISHED_FOR_S = 600
"""After this long a file that a write began is of a process that ended in the middle of it; until then it is not evicted."""
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

    A damaged value is a missing one: each file begins with the checksum of its value. A cache that cannot be written goes on
    answering what it has, and the log says once why it keeps nothing new.

    Parameters
    ----------
    folder : Path
        Made when missing.
    max_bytes : int
        Size to keep to, within a tenth; a larger value is not kept.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        # As if that much had been written: a process that writes little measures once, too.
        self._unmeasured = MEASURED_EVERY * max_bytes
        self._warned = False

    def get(self, key: str) -> bytes | None:
        """Read a value, or None where there is none or it is damaged."""
        file = self._file(key)
        try:
            value = _read_checked(file.with_name(key + CHECKED))
            if value is None:
                value = file.read_bytes()
            else:
                file = file.with_name(key + CHECKED)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._warn(error)
            return None
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > TOUCH_EVERY_S:
                os.utime(file)
        return value

    def put(self, key: str, value: bytes) -> None:
        """Write a value, wholly or not at all; where the disk does not take it, it is not kept."""
        if len(value) > self._max_bytes:
            return
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with unsynced_write(file.with_name(key + CHECKED), mode=0o600) as unfinished:
                unfinished.write(_checksum(value))
                unfinished.write(value)
        except OSError as error:
            self._warn(error)
            return
        self._unmeasured += len(value)
        if self._unmeasured >= MEASURED_EVERY * self._max_bytes:
            self.evict()

    def evict(self) -> None:
        """Remove the longest unused values until the cache is at nine tenths of its size, if it has outgrown it."""
        self._unmeasured = 0.0
        entries = []
        for file in self._folder.glob("*/*"):
            try:
                stat = file.stat()
            except FileNotFoundError:  # another process evicts as well
                continue
            if file.name.startswith(UNFINISHED) and time.time() - stat.st_mtime < UNFINISHED_FOR_S:
                continue
            entries.append((stat.st_mtime, stat.st_size, file))
        size = sum(entry[1] for entry in entries)
        if size <= self._max_bytes:
            return
        for _, bytes_, file in sorted(entries, key=lambda entry: entry[0]):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                self._warn(error)
                return
            size -= bytes_
            if size <= 0.9 * self._max_bytes:
                return

    def _file(self, key: str) -> Path:
        return self._folder / key[:2] / key

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            log.warning("event=cache_not_usable folder=%s reason=%r", self._folder, str(error))


def _checksum(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=CHECKSUM_BYTES).digest()


def _read_checked(file: Path) -> bytes | None:
    """Read the value of a file that begins with its checksum; None where it is missing or damaged.

    Raises
    ------
    OSError
        If the file is there and cannot be read.
    """
    try:
        content = memoryview(file.read_bytes())
    except FileNotFoundError:
        return None
    checksum, value = content[:CHECKSUM_BYTES], bytes(content[CHECKSUM_BYTES:])
    if checksum != _checksum(value):
        log.warning("event=cache_value_damaged file=%s", file.name)
        return None
    return value
