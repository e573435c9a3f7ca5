"""Image files of this machine, read ahead of the model.

Reading ahead in one thread keeps decoding off the model's time: Pillow, zlib and the model all compute without Python's lock.
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

__all__ = ["LocalImageStore", "read_ahead"]

Read = TypeVar("Read")


def read_ahead(paths: Iterable[str], read: Callable[[str], Read], *, ahead: int) -> Iterator[tuple[str, Read | ImageError]]:
    """Read files in another thread, at most `ahead` of them before they are asked for.

    Returns
    -------
    iterator of (path, result)
        What `read` returns for the path, or why it failed.
    """
    return prefetch(paths, lambda path: (path, attempt(lambda: read(path))), ahead=ahead, threads=1)


class LocalImageStore:
    """A gallery whose references are paths of this machine; it fetches nothing.

    Parameters
    ----------
    max_bytes, max_pixels : int
        Of a file, and of the image in it.
    extension : str
        Which of the images of a FITS file: see `pick_extension`.
    """

    def __init__(self, *, max_bytes: int, max_pixels: int, extension: str = "") -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._extension = extension
        self._held: dict[str, StoredImage] = {}

    def open(self, reference: str) -> StoredImage:
        """Open a file: the picture that is held, or else read from the disk.

        Raises
        ------
        ImageError
            If the file is missing, no file, or too large.
        """
        return self._held.get(reference) or self._read(reference)

    def open_decoded(self, path: str) -> StoredImage:
        """Open a file and decode it at once.

        Raises
        ------
        ImageError
            As `open`, and if it holds no image.
        """
        picture = self._read(path)
        _ = picture.pixels  # computed once and kept with the picture
        return picture

    def hold(self, pictures: dict[str, StoredImage]) -> None:
        """Answer `open` with these decoded pictures, and let go of those held before."""
        self._held = pictures

    def _read(self, path: str) -> StoredImage:
        file = Path(path)
        try:
            if not file.is_file():
                raise ImageError("there is no such file" if not file.exists() else "this is no file")
            size = file.stat().st_size
            if size > self._max_bytes:
                raise ImageError(f"the file has {size} bytes, more than the {self._max_bytes} of GALAXYLOOP_IMAGE_MAX_BYTES")
            content = file.read_bytes()
        except OSError as error:
            raise ImageError(f"the file cannot be read: {error}") from error
        content = pick_extension(content, self._extension)
        return StoredImage(image_key(content), lambda: content, self._max_pixels)
