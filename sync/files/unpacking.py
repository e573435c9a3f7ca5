"""Decompression with a bound: a compressed file of a few kilobytes can unpack to gigabytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from typing import IO

__all__ = ["GZIP_MAGIC", "MAGICS", "TooLargeError", "UnpackingError", "unpack"]

GZIP_MAGIC = b"\x1f\x8b"
FORMATS = {GZIP_MAGIC: gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
MAGICS = tuple(FORMATS)
"""First bytes of files that are compressed with gzip, bzip2 or xz."""
LONGEST_MAGIC = max(map(len, MAGICS))
PIECE_BYTES = 2**20


class UnpackingError(Exception):
    """A compressed file is damaged or truncated."""


class TooLargeError(Exception):
    """A compressed file unpacks to more bytes than are read."""


def unpack(file: IO[bytes], *, limit: int) -> Iterator[bytes]:
    """Yield the content of a compressed file in pieces of up to 1 MiB, so that a caller can reject it by its start.

    Parameters
    ----------
    file : binary file
        A seekable file, at its start, that begins with one of `MAGICS`.
    limit : int
        Largest number of unpacked bytes.

    Raises
    ------
    UnpackingError
        If the file is damaged or truncated, or begins with none of `MAGICS`.
    TooLargeError
        Once more than `limit` bytes are unpacked.
    """
    start = file.read(LONGEST_MAGIC)
    file.seek(0)
    open_format = next((open_format for magic, open_format in FORMATS.items() if start.startswith(magic)), None)
    if open_format is None:
        raise UnpackingError(f"it starts with {start!r}, not as a compressed file does")
    total = 0
    try:
        with open_format(file, "rb") as stream:  # type: ignore[operator]  # typed for different modes
            while piece := stream.read(PIECE_BYTES):
                total += len(piece)
                if total > limit:
                    raise TooLargeError(f"it unpacks to more than {limit} bytes")
                yield piece
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UnpackingError(f"{error} ({type(error).__name__})") from error
