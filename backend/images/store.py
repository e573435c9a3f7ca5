"""The image store: opens the image of a task by its reference; the pixels are decoded on first use.

After the first pass, most operations need no pixels: embeddings and sources are cached under the key of the image, a hash of
the bytes of the file and of the version of the stretch that converts them to brightness.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sync.files.cache import Cache, key_of
from sync.images.decode import claimed_pixels, decode, is_stretched
from sync.images.fetch import Fetcher
from sync.images.stretch import FIRST_STRETCH_VERSION, STRETCH_VERSION

__all__ = ["ImageSource", "ImageStore", "StoredImage", "image_key"]

LARGE_PIXELS = 4_000_000
"""Size above which an image is decoded alone and not kept in memory, pixels: decoding and measuring takes 30 bytes each."""
UPLOADS = "/data/upload/"
"""Path of uploaded files, whose content never changes: Label Studio adds a random prefix to their names. The content of other
references may change."""


@dataclass(frozen=True)
class StoredImage:
    """An image whose pixels are decoded on first use.

    Attributes
    ----------
    key : str
        Hash of the content of the file and of the version of its stretch.
    read : callable
        Returns the content of the file.
    max_pixels : int
        Largest number of pixels that is decoded.
    """

    key: str
    read: Callable[[], bytes]
    max_pixels: int

    @cached_property
    def pixels(self) -> NDArray[np.float32]:
        """Brightness in [0, 1], shape (height, width, 3).

        Raises
        ------
        ImageError
            If the image cannot be fetched or decoded.
        """
        return decode(self.read(), max_pixels=self.max_pixels)

    @cached_property
    def is_large(self) -> bool:
        """Whether the image needs so much memory that only one such image may be decoded at a time.

        Raises
        ------
        ImageError
            If the image cannot be fetched.
        """
        return claimed_pixels(self.read()) > LARGE_PIXELS

    def free_if_large(self) -> None:
        """Free the decoded pixels of a large image; the next access decodes them again."""
        if "pixels" in self.__dict__ and self.pixels.shape[0] * self.pixels.shape[1] > LARGE_PIXELS:
            del self.__dict__["pixels"]


def image_key(content: bytes) -> str:
    """Return the key of an image file: a new version of the stretch changes only the keys of images that are stretched."""
    return key_of("image", STRETCH_VERSION if is_stretched(content) else FIRST_STRETCH_VERSION, content)


class ImageSource(Protocol):
    """Opens images by reference: an `ImageStore` or a `LocalImageStore`."""

    def open(self, reference: str) -> StoredImage:
        """Open an image.

        Raises
        ------
        ImageError
            If the image cannot be read.
        """


class ImageStore:
    """Opens the images of tasks by reference.

    Parameters
    ----------
    fetcher : Fetcher
        Checks whether a reference is allowed, and fetches it.
    cache : Cache
        Stores uploaded files and the keys of their references.
    source : str
        Address of Label Studio, part of the cache keys: the same path refers to another image on another server.
    max_pixels : int
        Largest number of pixels of an image.
    """

    def __init__(self, fetcher: Fetcher, cache: Cache, *, source: str, max_pixels: int) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._source = source
        self._max_pixels = max_pixels

    def open(self, reference: str) -> StoredImage:
        """Open an image.

        Raises
        ------
        ImageError
            If the reference is not allowed or cannot be fetched.
        """
        file_key = self.known_key(reference) if reference.startswith(UPLOADS) else None
        if file_key is not None:
            return StoredImage(file_key, lambda: self._cache.get(file_key) or self._fetch(reference)[1], self._max_pixels)
        key, content = self._fetch(reference)
        return StoredImage(key, lambda: content, self._max_pixels)

    def known_key(self, reference: str) -> str | None:
        """Return the key that the image had when it was last fetched, without fetching it; None if it is not known."""
        entry = self._cache.get(self._reference_key(reference))
        return None if entry is None else entry.decode("ascii")

    def _fetch(self, reference: str) -> tuple[str, bytes]:
        content = self._fetcher.fetch(reference)
        key = image_key(content)
        if reference.startswith(UPLOADS):
            self._cache.put(key, content)
        self._cache.put(self._reference_key(reference), key.encode("ascii"))
        return key, content

    def _reference_key(self, reference: str) -> str:
        return key_of("reference", STRETCH_VERSION, self._source, reference)
