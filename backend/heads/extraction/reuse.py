"""Sources of images that are fitted on again and again: by each half of a contest, and by each fold of a cross-validation.

A plain function of its image and its settings, so that what it found last time can be taken: a hash of the pixels takes three
milliseconds, an extraction a hundred.
"""

from __future__ import annotations

import hashlib
import threading

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray

from backend.heads.extraction.extract import ExtractionSettings, Source, extract

__all__ = ["KEPT_IMAGES", "content_of", "sources_of"]

KEPT_IMAGES = 256
"""As many lists of sources are kept: a list holds small crops of bits, not the image."""


def content_of(image: NDArray[np.float32]) -> bytes:
    """Names an image, shape (height, width, 3), by its pixels."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


@cached(LRUCache(KEPT_IMAGES), key=lambda image, settings: (content_of(image), settings), lock=threading.Lock())
def sources_of(image: NDArray[np.float32], settings: ExtractionSettings) -> tuple[Source, ...]:
    """What source extraction finds in an image, shape (height, width, 3)."""
    return tuple(extract(image, settings=settings).sources)
