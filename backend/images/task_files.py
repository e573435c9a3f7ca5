"""Files that tasks refer to beside their images: stored by an import beside the registry, or served by Label Studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.images.store import StoredImage
from sync.errors.images import ImageError

__all__ = ["TaskFiles"]

STORED = "science/"
"""Start of the references of files that are stored beside the registry."""


class TaskFiles:
    """Opens files of tasks.

    Parameters
    ----------
    open_image : callable
        Opens a reference of Label Studio; raises ImageError.
    data_dir : Path or None
        Folder below which files are stored beside the registry; None if this process has none.
    max_bytes : int
        Largest file beside the registry.
    """

    def __init__(self, open_image: Callable[[str], StoredImage], *, data_dir: Path | None, max_bytes: int = 2**27) -> None:
        self._open_image = open_image
        self._data_dir, self._max_bytes = data_dir, max_bytes

    def read(self, reference: str) -> bytes:
        """Return the content of a file.

        Raises
        ------
        ImageError
            If the file is not there, too large, or may not be read.
        """
        if not reference.startswith(STORED):
            return self._open_image(reference).read()
        if self._data_dir is None:
            raise ImageError(f"the file {reference} is stored on another machine")
        folder, path = (self._data_dir / STORED).resolve(), (self._data_dir / reference).resolve()
        if not path.is_relative_to(folder):
            raise ImageError(f"the file {reference} lies outside of the folder of stored files")
        if not path.is_file():
            raise ImageError(f"the file {reference} does not exist in the data folder")
        if path.stat().st_size > self._max_bytes:
            raise ImageError(f"the file {reference} has more than {self._max_bytes} bytes")
        return path.read_bytes()
