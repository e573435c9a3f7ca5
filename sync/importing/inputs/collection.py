"""Large collections of images in a folder, a pattern, Parquet files or a bucket, which are listed lazily.

They are listed as spans: an image file, an object of a bucket, or consecutive rows of a Parquet file.
"""

from __future__ import annotations

import errno
import glob
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.files.find import find_files
from sync.files.prefetch import prefetch
from sync.images.decode import IMAGE_SUFFIXES
from sync.importing.inputs.files import read_file
from sync.importing.inputs.galaxy_row import GalaxyRow
from sync.importing.inputs.item import InputError, Item
from sync.importing.s3_client import SCHEME, S3Client

__all__ = ["SUFFIXES", "Collection", "Span", "count_parquet_rows", "is_parquet"]

PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES = IMAGE_SUFFIXES | set(PARQUET_SUFFIXES)
"""Suffixes of the files that are taken from folders."""
CONCURRENT_READS = 8
"""Files that are read concurrently; reads from a bucket mostly wait for the network."""
PREFETCH = 32
"""Spans that are prefetched."""
DISK_FAILURES = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EMFILE, errno.ENFILE})
"""Error numbers of failures of a disk, a network or this process, not of an image."""


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive images.

    Attributes
    ----------
    source : str
        Path, or address in a bucket.
    first : int or None
        First row of a Parquet file; None if the source is one image.
    count : int
    fingerprint : str or None
        Hash of the Parquet file whose rows were counted; a file with another hash is rejected.
    """

    source: str
    first: int | None = None
    count: int = 1
    fingerprint: str | None = None

    def split(self, count: int) -> tuple[Span, Span]:
        """Split a span of rows into the first `count` images and the others."""
        assert self.first is not None, "an image has no parts"
        return replace(self, count=count), replace(self, first=self.first + count, count=self.count - count)


class Collection:
    """Lists and reads the images of a collection.

    Parameters
    ----------
    max_bytes : int
        Largest image file, bytes.
    folder : Path
        Base folder of relative paths: the working directory of the command, not that of a worker.
    """

    def __init__(self, *, max_bytes: int, folder: Path = Path()) -> None:
        self._max_bytes = max_bytes
        self._folder = folder

    @cached_property
    def _s3(self) -> S3Client:
        return S3Client()

    def find(self, word: str) -> Iterator[Span]:
        """Yield the images of a folder and its subfolders, of a pattern with `*` and `**`, a file, or `s3://bucket/…`.

        Raises
        ------
        InputError
            If there is no image, a Parquet file cannot be read, or the bucket does not respond.
        """
        spans = self._find_objects(word) if word.startswith(SCHEME) else self._find_files(word)
        first = next(spans, None)
        if first is None:
            raise InputError(f"there is no image in {word}")
        yield first
        yield from spans

    def check(self, word: str) -> None:
        """Check that the folder exists on this machine; otherwise every image would be listed as missing.

        Raises
        ------
        InputError
            If the folder does not exist.
        """
        if word.startswith(SCHEME):
            return
        root = Path(word)
        while glob.has_magic(str(root)) and not os.path.lexists(self._folder / root):
            root = root.parent
        if not (self._folder / root).exists():
            raise InputError(
                f"{self._folder / root} does not exist on {socket.gethostname()}: every worker must be able to read the images"
            )

    def read(self, spans: Iterable[Span]) -> Iterator[tuple[str, bytes | ImageError]]:
        """Yield the name of each image, in order, and its bytes or the reason why it is left out; prefetch several files.

        Raises
        ------
        InputError
            If a bucket does not respond, a disk fails, or a Parquet file has changed.
        """
        return ((row.name, row.image) for row in self._read(spans, with_columns=False))

    def read_galaxies(self, spans: Iterable[Span]) -> Iterator[Item]:
        """Yield the galaxies, in order, with their images as from `read`; rows of Parquet files have their other columns.

        Raises
        ------
        InputError
            As for `read`.
        """
        return (row.as_item() for row in self._read(spans, with_columns=True))

    def _read(self, spans: Iterable[Span], *, with_columns: bool) -> Iterator[GalaxyRow]:
        readings = (self._reading(span, with_columns=with_columns) for span in spans)
        for rows in prefetch(readings, lambda read: read(), ahead=PREFETCH, threads=CONCURRENT_READS):
            yield from rows

    def _reading(self, span: Span, *, with_columns: bool) -> Callable[[], Iterable[GalaxyRow]]:
        """Return a function that reads a span; the rows of a Parquet file are read lazily."""
        if span.first is not None:
            from sync.importing.inputs.table_rows import read_galaxies, read_images

            read_rows = read_galaxies if with_columns else read_images
            rows = read_rows(self._folder / span.source, span.first, span.count, name=span.source, fingerprint=span.fingerprint)
            return lambda: rows
        if span.source.startswith(SCHEME):
            read = partial(self._s3.read, span.source, max_bytes=self._max_bytes)
        else:
            read = partial(_read_file, self._folder / span.source, self._max_bytes)
        return lambda: [GalaxyRow(span.source, attempt(read))]

    def _find_objects(self, word: str) -> Iterator[Span]:
        for address in self._s3.find(word):
            if address.endswith(PARQUET_SUFFIXES):
                raise InputError(f"{address} is a Parquet file in a bucket: copy it to a disk, where rows can be looked up")
            yield Span(address)

    def _find_files(self, word: str) -> Iterator[Span]:
        if os.path.isdir(word):
            matches: Iterable[str] = [word]
        elif not os.path.lexists(word) and glob.has_magic(word):
            matches = _match_pattern(word)
        elif os.path.exists(word):
            matches = [word]
        else:
            raise InputError(f"{word} does not exist")
        for match in matches:
            for file in find_files(match, SUFFIXES, on_error=_raise_unreadable) if os.path.isdir(match) else (match,):
                if not is_parquet(file):
                    yield Span(file)
                elif span := count_parquet_rows(file):
                    yield span


def is_parquet(file: str) -> bool:
    """Return whether the suffix of a file is that of a Parquet file."""
    return file.lower().endswith(PARQUET_SUFFIXES)


def count_parquet_rows(file: str) -> Span | None:
    """Return the span of the rows of a Parquet file; None if it has none.

    Raises
    ------
    InputError
        If it cannot be read or has no column of images.
    """
    from sync.importing.inputs.table_rows import count_rows

    rows = count_rows(Path(file))
    return Span(file, 0, rows.count, rows.fingerprint) if rows.count else None


def _read_file(file: Path, max_bytes: int) -> bytes:
    try:
        return read_file(file, max_bytes)
    except ImageError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in DISK_FAILURES:
            raise InputError(f"{file} cannot be read: {error.__cause__.strerror}") from error
        raise


def _match_pattern(pattern: str) -> Iterator[str]:
    """Yield the matches of a pattern in order; only files if it contains `**`, which matches a folder and its contents."""
    folders_too = "**" not in pattern.split(os.sep)
    matches = glob.iglob(pattern, recursive=True)
    # A set, because several `**` can match the same file in different ways.
    yield from sorted({match for match in matches if folders_too or not os.path.isdir(match)})


def _raise_unreadable(error: OSError) -> None:
    raise InputError(f"the folder {error.filename} cannot be read: {error.strerror}") from error
