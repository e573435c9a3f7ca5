"""Local image files, prefetched for the model.

A second thread reads and decodes files while the model computes: Pillow, zlib and the model release Python's global lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from backend.images.store import StoredImage, image_key
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.files.prefetch import prefetch
from sync.images.fits_extraction import pick_extension

__all__ = ["LocalImageStore", "prefetch_files", "read_file"]

Read = TypeVar("Read")


def prefetch_files(paths: Iterable[str], read: Callable[[str], Read], *, ahead: int) -> Iterator[tuple[str, Read | ImageError]]:
    """Read files in another thread, at most `ahead` files before the consumer needs them.

    Parameters
    ----------
    paths : iterable of str
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
        self._held: dict[str, StoredImage] = {}

    def open(self, reference: str) -> StoredImage:
        """Return the decoded image from memory (see `hold`), or read the file.

        Raises
        ------
        ImageError
            If the path does not exist, is not a file, cannot be read, or the file is too large.
        """
        return self._held.get(reference) or self._read(reference)

    def open_decoded(self, path: str) -> StoredImage:
        """Read a file and decode its image.

        Raises
        ------
        ImageError
            As `open`, or if the file does not contain an image.
        """
        image = self._read(path)
        _ = image.pixels  # decodes; the property caches the pixels
        return image

    def hold(self, images: dict[str, StoredImage]) -> None:
        """Keep these decoded images in memory for `open`, in place of the previous ones."""
        self._held = images

    def _read(self, path: str) -> StoredImage:
        content = pick_extension(read_file(path, max_bytes=self._max_bytes), self._extension)
        return StoredImage(image_key(content), lambda: content, self._max_pixels)


def read_file(path: str, *, max_bytes: int) -> bytes:
    """Read a file.

    Raises
    ------
    ImageError
        If the path does not exist, is not a file, cannot be read, or the file has more than `max_bytes` bytes.
    """
    file = Path(path)
    try:
        if not file.is_file():
            raise ImageError("there is no such file" if not file.exists() else "this is not a file")
        size = file.stat().st_size
        if size > max_bytes:
            raise ImageError(f"the file has {size} bytes, more than the {max_bytes} of GALAXYLOOP_IMAGE_MAX_BYTES")
        return file.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error}") from error
