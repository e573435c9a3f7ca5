"""Local image files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from sync.errors.images import ImageError
from sync.importing.inputs.item import Item

__all__ = ["file_items", "read_file"]


def file_items(paths: Iterable[str], *, max_bytes: int) -> Iterator[Item]:
    """Yield one item per file.

    Parameters
    ----------
    paths : iterable of str
    max_bytes : int
        Largest size of a file, bytes.
    """
    for path in paths:
        yield Item(name=path, read=partial(read_file, Path(path), max_bytes), filename=Path(path).name)


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
            raise ImageError(f"the file has {size} bytes, more than the {max_bytes} that are allowed")
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from error
