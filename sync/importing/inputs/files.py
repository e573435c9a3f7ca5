"""Reader of local image files."""

from __future__ import annotations

from pathlib import Path

from sync.errors.images import ImageError

__all__ = ["read_file"]


def read_file(file: Path, max_bytes: int) -> bytes:
    """Read an image file.

    Raises
    ------
    ImageError
        If it is missing, not a file, too large, or cannot be read.
    """
    try:
        if not file.is_file():
            raise ImageError("there is no such file" if not file.exists() else "this is not a file")
        size = file.stat().st_size
        if size > max_bytes:
            raise ImageError(f"the file has {size} bytes, more than the {max_bytes} of GALAXYLOOP_IMAGE_MAX_BYTES")
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from error
