"""Embeddings of images, cached on disk under a hash of image, stretch and encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.images.store import StoredImage
from backend.lvm.cropping import FRAMING_VERSION, frame
from backend.lvm.encoder import AVERAGING_VERSION
from sync.errors.images import ImageError
from sync.files.cache import Cache, key_of

__all__ = ["Embedder", "EmbeddingSource", "Embeddings"]

BATCH = 32


class Embedder(Protocol):
    """A frozen network that embeds images: the shipped one, or one that a user has chosen."""

    @property
    def numerics(self) -> str:
        """Name of its arithmetic in cache keys; empty for PyTorch in float32."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    @property
    def image_px(self) -> int:
        """Side of its images, pixels."""

    def embed(self, images: Tensor) -> Tensor:
        """Embed images, shape (n, 3, image_px, image_px), brightness in [0, 1]; return shape (n, dimension), float32."""


class EmbeddingSource(Protocol):
    """Returns the embeddings of images: computed by a network, or imported."""

    @property
    def dimension(self) -> int:
        """Length of an embedding."""

    def of(self, images: Sequence[StoredImage], references: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of images, shape (n, dimension).

        Parameters
        ----------
        images : sequence of StoredImage, length n
        references : sequence of str, length n
            Their references in the data of tasks.

        Raises
        ------
        ImageError
            If an image has no embedding. To skip such images, request images one by one.
        """

    def read_cached(self, image_key: str, reference: str) -> NDArray[np.float32] | None:
        """Return the embedding of an image, shape (dimension,), without opening it; None if there is none."""


class Embeddings:
    """Computes embeddings with a cache on disk.

    Parameters
    ----------
    encoder : Embedder
    cache : Cache
        Stores the embeddings.
    fingerprint : str
        Identifier of the encoder's weights.
    """

    def __init__(self, encoder: Embedder, cache: Cache, *, fingerprint: str) -> None:
        self._encoder = encoder
        self._cache = cache
        self._fingerprint = fingerprint
        self._arithmetic = (encoder.numerics,) if encoder.numerics else ()  # keys of older releases have no such part

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._encoder.dimension

    def of(self, images: Sequence[StoredImage], references: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return the embeddings of images, shape (n, dimension); the references are not read.

        Raises
        ------
        ImageError
            If an image without a cached embedding cannot be read, or its embedding is not finite. To skip such images, decode
            images one by one first.
        """
        embeddings = np.empty((len(images), self.dimension), np.float32)
        places = []
        for index, image in enumerate(images):
            entry = self.read_cached(image.key, "")
            if entry is None:
                places.append(index)
            else:
                embeddings[index] = entry
        for start in range(0, len(places), BATCH):
            batch = places[start : start + BATCH]
            side = self._encoder.image_px
            frames = np.stack([_crop(images[index], side=side) for index in batch])
            vectors = self._encoder.embed(torch.from_numpy(frames).permute(0, 3, 1, 2)).numpy()
            if not np.isfinite(vectors).all():
                raise ImageError(f"the encoder {self._fingerprint} has no finite embedding of the image")
            for index, embedding in zip(batch, vectors, strict=True):
                embeddings[index] = embedding
                self._cache.put(self._key(images[index].key), embedding.tobytes())
        return embeddings

    def read_cached(self, image_key: str, reference: str) -> NDArray[np.float32] | None:
        """Return the cached embedding of an image, shape (dimension,), by the key of its `StoredImage`; None without one."""
        entry = self._cache.get(self._key(image_key))
        if entry is None or len(entry) != self.dimension * np.dtype(np.float32).itemsize:
            return None
        return np.frombuffer(entry, np.float32)

    def _key(self, image_key: str) -> str:
        return key_of("embedding", AVERAGING_VERSION, FRAMING_VERSION, self._fingerprint, image_key, *self._arithmetic)


def _crop(image: StoredImage, *, side: int) -> NDArray[np.float32]:
    pixels = frame(image.pixels, side=side)
    image.free_if_large()
    return pixels
