"""Embeddings of images, cached on disk under a hash of image, stretch and encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from backend.images.store import StoredImage
from backend.lvm.cropping import FRAMING_VERSION, frame
from backend.lvm.encoder import AVERAGING_VERSION, Encoder
from sync.files.cache import Cache, key_of

__all__ = ["Embeddings"]

BATCH = 32


class Embeddings:
    """Computes embeddings with a cache on disk.

    Parameters
    ----------
    encoder : Encoder
        Frozen.
    cache : Cache
        Stores the embeddings.
    fingerprint : str
        Identifier of the encoder's weights.
    """

    def __init__(self, encoder: Encoder, cache: Cache, *, fingerprint: str) -> None:
        self._encoder = encoder
        self._cache = cache
        self._fingerprint = fingerprint

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._encoder.config.dimension

    def of(self, images: Sequence[StoredImage]) -> NDArray[np.float32]:
        """Return the embeddings of images, shape (n, dimension).

        Raises
        ------
        ImageError
            If an image without a cached embedding cannot be read. To skip such images, decode images one by one first.
        """
        embeddings = np.empty((len(images), self.dimension), np.float32)
        places = []
        for index, image in enumerate(images):
            entry = self.cached(image.key)
            if entry is None:
                places.append(index)
            else:
                embeddings[index] = entry
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            side = self._encoder.config.image_px
            frames = np.stack([_crop(images[index], side=side) for index in batch])
            vectors = self._encoder.embed(torch.from_numpy(frames).permute(0, 3, 1, 2)).numpy()
            for index, embedding in zip(batch, vectors, strict=True):
                embeddings[index] = embedding
                self._cache.put(self._key(images[index].key), embedding.tobytes())
        return embeddings

    def cached(self, image_key: str) -> NDArray[np.float32] | None:
        """Return the cached embedding of an image, shape (dimension,), by the key of its `StoredImage`; None without one."""
        entry = self._cache.get(self._key(image_key))
        if entry is None or len(entry) != self.dimension * np.dtype(np.float32).itemsize:
            return None
        return np.frombuffer(entry, np.float32)

    def _key(self, image_key: str) -> str:
        return key_of("embedding", AVERAGING_VERSION, FRAMING_VERSION, self._fingerprint, image_key)


def _crop(image: StoredImage, *, side: int) -> NDArray[np.float32]:
    pixels = frame(image.pixels, side=side)
    image.free_if_large()
    return pixels
