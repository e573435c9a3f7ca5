"""Least-recently-used caches of limited size for values that can be recomputed: on disk, shared by processes, and in memory.

A key is a hash of everything that its value depends on, so values never become invalid, and two processes that write the same
key write the same bytes. Common cache libraries store pickles, which can execute code; values here are bytes. A survey
processes every image once, so it uses only the cache in memory, which several heads share for one image.
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
"""Fraction of the maximum size that a process writes between two measurements; two processes then exceed it by at most 10 %."""
CHECKED = ".checked"
"""Suffix of files that start with the checksum of their value; earlier releases wrote files without checksum and suffix."""
CHECKSUM_BYTES = 16
UNFINISHED = "."
"""Prefix of temporary files, also of those of earlier releases."""
UNFINISHED_FOR_S = 600
"""Age from which temporary files are evicted, seconds; their process ended during the write."""
TOUCH_EVERY_S = 3600
"""Resolution of the stored time of last use, seconds; a finer one would need a disk write for each read."""


def key_of(*parts: str | bytes) -> str:
    """Return the key of a sequence of parts, 40 hexadecimal digits; it also depends on the boundaries between parts."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:40]


class Cache(Protocol):
    """A mapping of keys to bytes."""

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None if there is none."""

    def put(self, key: str, value: bytes) -> None:
        """Store a value atomically."""


class MemoryCache:
    """A cache in the memory of this process; thread-safe.

    Parameters
    ----------
    max_bytes : int
        Maximum size of all values; a larger value is not stored.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._values: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None if there is none."""
        with self._lock:
            return self._values.get(key)

    def put(self, key: str, value: bytes) -> None:
        """Store a value and remove the least recently used ones that exceed the size."""
        with self._lock, suppress(ValueError):  # raised for a value larger than the cache
            self._values[key] = value


class FileCache:
    """A cache of files on disk; processes may share it.

    Each file starts with the checksum of its value, and a damaged value counts as missing. If the folder is not writable, the
    cache still returns existing values, and logs the reason once.

    Parameters
    ----------
    folder : Path
        Folder of the files; created if missing.
    max_bytes : int
        Maximum size, which can be exceeded by 10 %; a larger value is not stored.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        # The first write triggers a measurement, so that processes that write little also measure the size once.
        self._bytes_since_measurement = MEASURED_EVERY * max_bytes
        self._has_warned = False

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None if it is missing or damaged."""
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
        """Store a value atomically; if the disk rejects the write, log the reason once and store nothing."""
        if len(value) > self._max_bytes:
            return
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with unsynced_write(file.with_name(key + CHECKED), mode=0o600) as temporary:
                temporary.write(_checksum(value))
                temporary.write(value)
        except OSError as error:
            self._warn(error)
            return
        self._bytes_since_measurement += len(value)
        if self._bytes_since_measurement >= MEASURED_EVERY * self._max_bytes:
            self.evict()

    def evict(self) -> None:
        """If the cache exceeds its maximum size, remove the least recently used values down to 90 % of it."""
        self._bytes_since_measurement = 0.0
        entries = []
        for file in self._folder.glob("*/*"):
            try:
                stat = file.stat()
            except FileNotFoundError:  # removed by another process
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
        if not self._has_warned:
            self._has_warned = True
            log.warning("event=cache_not_usable folder=%s reason=%r", self._folder, str(error))


def _checksum(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=CHECKSUM_BYTES).digest()


def _read_checked(file: Path) -> bytes | None:
    """Return the value of a file that starts with its checksum; None if the file is missing or damaged.

    Raises
    ------
    OSError
        If the file exists and cannot be read.
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
