"""Limits of the size of a table, checked before memory is allocated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from sync.files.unpacking import MAGICS, TooLargeError, UnpackingError, unpack
from sync.importing.inputs.item import InputError

__all__ = ["MAX_BYTES", "check_cells", "read_bounded"]

MAX_BYTES = 2 * 2**30
"""Largest uncompressed text or XML document, bytes: about ten million rows of positions."""
MAX_CELLS = 200_000_000
"""Largest product of rows and columns: 1.6 GB of double-precision numbers."""
SMALL_BYTES = 64 * 2**20
LARGEST_RATIO = 100
"""Largest compression ratio above `SMALL_BYTES`; tables have about 10, files that are made to exhaust the memory 1000."""


def check_cells(rows: int, columns: int, *, file: Path) -> None:
    """Check the number of values of a table.

    Raises
    ------
    InputError
        If there are more than `MAX_CELLS`.
    """
    if rows * max(columns, 1) > MAX_CELLS:
        raise InputError(
            f"{file} claims {rows} rows of {columns} columns, more than the {MAX_CELLS} values that are read: split it, "
            "or keep the columns that are needed"
        )


def read_bounded(file_stream: IO[bytes], *, file: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a file, decompressed if it is compressed with gzip, bzip2 or xz.

    Raises
    ------
    InputError
        If there are more than `limit` bytes, the compression ratio exceeds `LARGEST_RATIO`, or the file is damaged.
    """
    start = file_stream.read(max(map(len, MAGICS)))
    size = file_stream.seek(0, os.SEEK_END)
    file_stream.seek(0)
    if not start.startswith(MAGICS):
        if size > limit:
            raise InputError(f"{file} has {size} bytes, more than the {limit} that are read: split it")
        return file_stream.read(limit)
    limit = min(limit, max(SMALL_BYTES, LARGEST_RATIO * size))
    try:
        return b"".join(unpack(file_stream, limit=limit))
    except TooLargeError as error:
        raise InputError(f"{file} unpacks to more than {limit} bytes, which are not read: unpack and split it") from error
    except UnpackingError as error:
        raise InputError(f"{file} cannot be unpacked: {error}") from error
