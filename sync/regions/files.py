"""Reading of whole files of regions, up to a maximum size, and stems of file names."""

from __future__ import annotations

import os
from pathlib import Path

from sync.regions.marks import RegionsError

__all__ = ["MAX_BYTES", "MAX_TEXT_BYTES", "read_bytes", "read_text", "stem_of"]

MAX_BYTES = 512 * 2**20
"""Largest size of one file."""
MAX_TEXT_BYTES = 256 * 2**20
"""Largest size of a text file, whose parsed content needs several times as much memory."""

SUFFIXES = (
    ".gz",
    ".fz",
    ".fits",
    ".fit",
    ".fts",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".bmp",
    ".reg",
    ".crtf",
    ".txt",
    ".json",
    ".cat",
    ".csv",
    ".ecsv",
    ".vot",
    ".votable",
    ".xml",
    ".parquet",
    ".ldac",
)


def read_bytes(file: Path, *, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    file : Path
    limit : int
        Largest number of bytes.

    Raises
    ------
    RegionsError
        If the file cannot be read, is not a regular file, or has more than `limit` bytes.
    """
    try:
        if not file.is_file():
            raise RegionsError("there is no such file" if not os.path.lexists(file) else "the path is not a regular file")
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise RegionsError(f"the file cannot be read: {error.strerror or error}") from error
    if len(content) > limit:
        raise RegionsError(f"the file has more than the {limit:,} bytes that are read: split it")
    return content


def read_text(file: Path, *, limit: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a file in UTF-8, in UTF-16 with a byte order mark, or in Latin-1, which older programs write.

    Raises
    ------
    RegionsError
        As for `read_bytes`, and if the file is not a text file.
    """
    content = read_bytes(file, limit=limit)
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16" or b"\0" in content:
            raise RegionsError(f"the file is not text: byte {error.start} cannot be decoded") from error
        return content.decode("latin-1")


def stem_of(name: str) -> str:
    """Return a file name without folders and without the suffixes of images, tables and regions."""
    stem = name.replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    while stem.lower().endswith(SUFFIXES) and "." in stem.strip("."):
        stem = stem.rpartition(".")[0]
    return stem
