"""Reads single images from the rows of a Parquet file, quickly if they are read in about their order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from sync.errors.images import ImageError
from sync.importing.inputs.galaxy_row import GalaxyRow
from sync.importing.inputs.item import InputError
from sync.importing.inputs.table_rows import read_images

__all__ = ["RowReader"]

MOST_SKIPPED = 64
"""Rows that are kept in memory if a later one is read first, as by several threads; a longer jump opens the file again."""


class RowReader:
    """Reads the images of a Parquet file by row; thread-safe.

    Parameters
    ----------
    file : Path
    count : int
        Number of rows.
    fingerprint : str or None
        Hash of the file whose rows were counted; a file with another hash is rejected.
    """

    def __init__(self, file: Path, count: int, *, fingerprint: str | None) -> None:
        self._file = file
        self._count = count
        self._fingerprint = fingerprint
        self._lock = Lock()
        self._rows: Iterator[GalaxyRow] = iter(())
        self._next = -1 - MOST_SKIPPED  # no row is near
        self._skipped_rows: dict[int, bytes | ImageError] = {}

    def read(self, row: int) -> bytes:
        """Return the content of the image in a row.

        Raises
        ------
        ImageError
            If the row has no image, or is damaged.
        InputError
            If the file cannot be read, or has changed.
        """
        with self._lock:
            if row not in self._skipped_rows:
                self._advance(row)
            content = self._skipped_rows.pop(row)
        if isinstance(content, ImageError):
            raise content
        return content

    def _advance(self, row: int) -> None:
        """Read on to a row; keep it and the rows before it."""
        if not 0 <= row - self._next <= MOST_SKIPPED:
            self._rows = read_images(self._file, row, self._count - row, name=str(self._file), fingerprint=self._fingerprint)
            self._next = row
            self._skipped_rows.clear()
        while self._next <= row:
            galaxy = next(self._rows, None)
            if galaxy is None:
                raise InputError(f"{self._file} has no row {row}: restore it, or start again")
            self._skipped_rows[self._next] = galaxy.image
            self._next += 1
        for old_number in [number for number in self._skipped_rows if number < row - MOST_SKIPPED]:
            del self._skipped_rows[old_number]
