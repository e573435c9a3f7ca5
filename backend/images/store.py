"""The gallery: a task's reference becomes a picture, which is fetched and decoded only if somebody needs its pixels.

Most work after the first pass needs no pixels: embeddings and sources are cached under the picture's key, which is a hash of
the file's bytes and of the stretch that turns them into brightness.
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
"""From here on a picture is decoded alone and not held: to decode and measure it took 30 bytes a pixel."""
UPLOADS = "/data/upload/"
"""Label Studio never rewrites an uploaded file: its name carries a random prefix. All other references may change content."""


@dataclass(frozen=True)
class StoredImage:
    """One image.

    Attributes
    ----------
    key : str
        Changes with the content and with how it is stretched.
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
            If it cannot be fetched or decoded.
        """
        return decode(self.read(), max_pixels=self.max_pixels)

    @cached_property
    def is_large(self) -> bool:
        """Whether decoding and measuring it takes so much memory that only one such picture may be at hand at a time.

        Raises
        ------
        ImageError
            If it cannot be fetched.
        """
        return claimed_pixels(self.read()) > LARGE_PIXELS

    def forget_if_large(self) -> None:
        """Let go of the decoded pixels of a large picture; they are decoded again when they are asked for."""
        if "pixels" in self.__dict__ and self.pixels.shape[0] * self.pixels.shape[1] > LARGE_PIXELS:
            del self.__dict__["pixels"]


def image_key(content: bytes) -> str:
    """Name an image file by its content and by how it is shown: a new stretch is another picture only of what is stretched."""
    return key_of("image", STRETCH_VERSION if is_stretched(content) else FIRST_STRETCH_VERSION, content)


class ImageSource(Protocol):
    """Opens images by reference: an `ImageStore`, or files of this machine."""

    def open(self, reference: str) -> StoredImage:
        """Open an image.

        Raises
        ------
        ImageError
            If it cannot be read.
        """


class ImageStore:
    """Opens pictures by reference.

    Parameters
    ----------
    fetcher : Fetcher
        Decides what may be fetched, and fetches it.
    cache : Cache
        Keeps files and what is known of references.
    source : str
        Label Studio's address: the same path means another image on another server.
    """

    def __init__(self, fetcher: Fetcher, cache: Cache, *, source: str, max_pixels: int) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._source = source
        self._max_pixels = max_pixels

    def open(self, reference: str) -> StoredImage:
        """Open a picture.

        Raises
        ------
        ImageError
            If the reference is not allowed or leads nowhere.
        """
        known = self._cache.get(self._reference_key(reference)) if reference.startswith(UPLOADS) else None
        if known is not None:
            key = known.decode("ascii")
            return StoredImage(key, lambda: self._cache.get(key) or self._fetch(reference)[1], self._max_pixels)
        key, content = self._fetch(reference)
        return StoredImage(key, lambda: content, self._max_pixels)

    def _fetch(self, reference: str) -> tuple[str, bytes]:
        content = self._fetcher.fetch(reference)
        key = image_key(content)
        if reference.startswith(UPLOADS):
            self._cache.put(key, content)
            self._cache.put(self._reference_key(reference), key.encode("ascii"))
        return key, content

    def _reference_key(self, reference: str) -> str:
        return key_of("reference", STRETCH_VERSION, self._source, reference)
