"""In-memory cache of extracted sources, for images that several fits use, such as the folds of a cross-validation.

Extraction depends on the image and the settings only. A hash of the pixels takes 3 ms, an extraction 100 ms.
"""

from __future__ import annotations

import hashlib
import threading

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import ExtractionSettings, Source

__all__ = ["CACHED_IMAGES", "content_of", "sources_of"]

CACHED_IMAGES = 256
"""Largest number of lists of sources in memory; a list has small boolean crops, not the image."""


def content_of(image: NDArray[np.float32]) -> bytes:
    """Return a hash of the pixels of an image, shape (height, width, 3)."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


@cached(LRUCache(CACHED_IMAGES), key=lambda image, settings: (content_of(image), settings), lock=threading.Lock())
def sources_of(image: NDArray[np.float32], settings: ExtractionSettings) -> tuple[Source, ...]:
    """Return the sources of an image, shape (height, width, 3), from the cache or by extraction."""
    return tuple(extract(image, settings=settings).sources)
