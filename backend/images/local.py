"""Local image files, prefetched for the model.

A second thread reads and decodes files while the model computes: Pillow, zlib and the model release Python's global lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from backend.images.store import StoredImage, image_key
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.files.prefetch import prefetch
from sync.images.fits_extraction import pick_extension
from sync.importing.inputs.files import read_file

__all__ = ["LocalImageStore", "prefetch_files"]

Read = TypeVar("Read")
Place = TypeVar("Place")


def prefetch_files(
    paths: Iterable[Place], read: Callable[[Place], Read], *, ahead: int
) -> Iterator[tuple[Place, Read | ImageError]]:
    """Read files in another thread, at most `ahead` files before the consumer needs them.

    Parameters
    ----------
    paths : iterable
        Paths, or items of an input.
    read : callable
        Reads the file at a path.
    ahead : int
        Largest number of prefetched files.

    Returns
    -------
    iterator of (path, result)
        The result of `read` for the path, or the `ImageError` that it raised.
    """
    return prefetch(paths, lambda path: (path, attempt(lambda: read(path))), ahead=ahead, threads=1)


class LocalImageStore:
    """An image store whose references are local paths.

    Parameters
    ----------
    max_bytes, max_pixels : int
        Largest size of a file, and largest number of pixels of the image in it.
    extension : str
        Extension of a FITS file with several images: see `pick_extension`.
    """

    def __init__(self, *, max_bytes: int, max_pixels: int, extension: str = "") -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._extension = extension
        self._images: Mapping[str, StoredImage | ImageError] = {}

    def open(self, reference: str) -> StoredImage:
        """Return the decoded image from memory (see `hold`), or read the file.

        Raises
        ------
        ImageError
            If the path does not exist, is not a file, cannot be read, or the file is too large; or if an error is held.
        """
        image = self._images.get(reference) or self._read(reference)
        if isinstance(image, ImageError):
            raise image
        return image

    def hold(self, images: Mapping[str, StoredImage | ImageError]) -> None:
        """Keep these decoded images, or the errors of unreadable ones, in memory for `open`, in place of the previous ones."""
        self._images = images

    def decode(self, content: bytes) -> StoredImage:
        """Decode the image in the content of a file.

        Raises
        ------
        ImageError
            If the content is not an image.
        """
        image = self._store(content)
        _ = image.pixels  # decodes; the property caches the pixels
        return image

    def _read(self, path: str) -> StoredImage:
        return self._store(read_file(Path(path), self._max_bytes))

    def _store(self, content: bytes) -> StoredImage:
        extension = pick_extension(content, self._extension)
        return StoredImage(image_key(extension), lambda: extension, self._max_pixels)
