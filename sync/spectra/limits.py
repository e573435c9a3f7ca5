"""Limits of a file with one spectrum, which are checked before it is parsed."""

from __future__ import annotations

import io
import re

from sync.errors.spectra import SpectrumError
from sync.files.unpacking import GZIP_MAGIC, TooLargeError, UnpackingError
from sync.files.unpacking import unpack as unpack_file

__all__ = ["MAX_PIXELS", "check_text", "unpack"]

MAX_BYTES = 32 * 2**20
MAX_LINES, MAX_COLUMNS, MAX_HEADER_CHARACTERS = 500_000, 200, 100_000
"""Bounds of a text table: the longest spectra have 450,000 pixels, and YAML headers take long to parse."""
MAX_PIXELS = MAX_BYTES // 8


def unpack(content: bytes) -> bytes:
    """Return the content of a file, decompressed if it is gzipped.

    Raises
    ------
    SpectrumError
        If it is damaged, or larger than `MAX_BYTES`.
    """
    too_large = f"the file has more than {MAX_BYTES} bytes: a task needs a file with its own spectrum only"
    if len(content) > MAX_BYTES:
        raise SpectrumError(too_large)
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return b"".join(unpack_file(io.BytesIO(content), limit=MAX_BYTES))
    except TooLargeError as error:
        raise SpectrumError(too_large) from error
    except UnpackingError as error:
        raise SpectrumError(f"the gzipped file of the spectrum is damaged or truncated: {error}") from error


def check_text(lines: list[str], first: str) -> None:
    """Reject a text table that would take long to parse; `first` is its first line that is not a comment.

    Raises
    ------
    SpectrumError
        If it has too many lines or columns, or a long header.
    """
    if len(lines) > MAX_LINES:
        raise SpectrumError(f"the text file has {len(lines)} lines, more than the {MAX_LINES} that a spectrum may have")
    if len(re.split(r"[,;\s]+", first)) > MAX_COLUMNS:
        raise SpectrumError(f"the text file has more than {MAX_COLUMNS} columns: a spectrum needs a wavelength and a flux")
    header = sum(len(line) for line in lines if line.lstrip().startswith("#"))
    if header > MAX_HEADER_CHARACTERS:
        raise SpectrumError(f"the text file has comments of {header} characters, more than the {MAX_HEADER_CHARACTERS} allowed")
