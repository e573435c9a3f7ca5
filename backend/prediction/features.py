"""Feature extraction: the embedding, sources and feature maps of an image, computed once and read from the cache afterwards.

A retraining changes heads, not images: after the first pass a prediction reads the cached features, and no pixels.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
from cachetools import TTLCache
from numpy.typing import NDArray

from backend.heads.extraction.extract import extract
from backend.heads.extraction.serialise import ARCHIVE_VERSION, pack, unpack
from backend.heads.extraction.source import ExtractionSettings, Source
from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage, check_side
from backend.images.store import ImageSource, StoredImage
from backend.lvm.feature_maps import Pyramids
from backend.lvm.joined_embeddings import EmbeddingColumns, JoinedEmbeddings
from backend.prediction.image_features import ImageFeatures
from sync.errors.failures import attempt, attempt_together
from sync.errors.images import ImageError
from sync.files.cache import Cache, key_of
from sync.geometry.shapes import Size

__all__ = ["FeatureExtractor"]

FETCHES_AT_ONCE = 4
SIZE_LIFETIME_S = 3600.0
"""Time for which the size of a reference's image is cached: a file that is not an upload would otherwise be fetched in each
training."""
MOST_SIZES = 100_000
LONGEST_REFERENCE = 2000
"""Longest reference, in characters, whose size is cached: longer ones are data URLs that hold the image itself."""


class FeatureExtractor:
    """Extracts features of images, and caches them.

    Parameters
    ----------
    image_store : ImageSource
    embeddings : JoinedEmbeddings
    pyramids : Pyramids
        Feature maps of the encoder.
    window_encoder : CachedWindowEncoder
        Features of windows for the segmenter.
    cache : Cache
        Cache of extracted sources.
    """

    def __init__(
        self,
        image_store: ImageSource,
        embeddings: JoinedEmbeddings,
        pyramids: Pyramids,
        window_encoder: CachedWindowEncoder,
        cache: Cache,
    ) -> None:
        self._image_store = image_store
        self._embeddings = embeddings
        self._pyramids = pyramids
        self._window_encoder = window_encoder
        self._cache = cache
        self._pool = ThreadPoolExecutor(FETCHES_AT_ONCE, thread_name_prefix="features")
        self._known_sizes: TTLCache[str, Size] = TTLCache(MOST_SIZES, SIZE_LIFETIME_S)
        self._sizes_lock = threading.Lock()
        self._one_large = threading.Lock()

    def with_embeddings(self, embeddings: JoinedEmbeddings) -> FeatureExtractor:
        """Return an extractor of the same images with other embeddings."""
        other = copy.copy(self)
        other._embeddings = embeddings
        return other

    @property
    def encoder(self) -> str:
        """Fingerprint of the shipped encoder, which computes the feature maps."""
        return self._pyramids.fingerprint

    @property
    def columns(self) -> EmbeddingColumns:
        """Columns of each encoder in an embedding."""
        return self._embeddings.columns

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._embeddings.dimension

    def open(self, reference: str) -> StoredImage:
        """Open one image.

        Raises
        ------
        ImageError
            If the image may not be fetched or does not exist.
        """
        return self._image_store.open(reference)

    def cached_embedding(self, image_key: str, reference: str) -> NDArray[np.float32] | None:
        """Return the cached embedding of an image by the key of its `StoredImage` and its reference; None without one."""
        return self._embeddings.read_cached(image_key, reference)

    def windowed_image(self, reference: str) -> WindowedImage:
        """Return the windows of one image for the segmenter.

        Raises
        ------
        ImageError
            If the image cannot be read.
        """
        image = self._image_store.open(reference)
        return self._window_encoder.of(image, self._pyramids.size_of(image))

    def sizes(self, references: Sequence[str]) -> list[Size | None]:
        """Return the sizes of images, (width, height) in pixels; None for those that cannot be read."""
        return list(self._pool.map(self._size, references))

    def _size(self, reference: str) -> Size | None:
        with self._sizes_lock:
            known_size = self._known_sizes.get(reference)
        if known_size is not None:
            return known_size
        size = attempt(lambda: self._pyramids.size_of(self._image_store.open(reference)))
        return None if isinstance(size, ImageError) else self._remember_size(reference, size)

    def _remember_size(self, reference: str, size: Size) -> Size:
        if len(reference) <= LONGEST_REFERENCE:
            with self._sizes_lock:
                self._known_sizes[reference] = size
        return size

    def extract_features(
        self, references: Sequence[str], *, embed: bool, extractions: Iterable[ExtractionSettings] = (), pyramid: bool = False
    ) -> list[ImageFeatures | ImageError]:
        """Extract features of images.

        Parameters
        ----------
        references : sequence of str
            References in the data of tasks; a few hundred at most, since their encoded files are in memory together.
        embed : bool
            Whether to return embeddings.
        extractions : iterable of ExtractionSettings
            Settings to extract sources with, once for each.
        pyramid : bool
            Whether to return feature maps.

        Returns
        -------
        list of ImageFeatures or ImageError
            In the order of `references`; an error for an image that cannot be read.
        """
        extract_one = partial(self._extract, extractions=tuple(dict.fromkeys(extractions)), pyramid=pyramid, embed=embed)
        outcomes = list(self._pool.map(lambda reference: attempt(partial(extract_one, reference)), references))
        if embed:
            readable = {index: features for index, features in enumerate(outcomes) if isinstance(features, ImageFeatures)}
            embeddings = attempt_together(
                self._embed, [(features.stored_image, references[index]) for index, features in readable.items()]
            )
            for (index, features), embedding in zip(readable.items(), embeddings, strict=True):
                if isinstance(embedding, ImageError):
                    outcomes[index] = embedding
                else:
                    outcomes[index] = replace(features, embedding=embedding)
        return outcomes

    def _embed(self, images: Sequence[tuple[StoredImage, str]]) -> NDArray[np.float32]:
        return self._embeddings.of([image for image, _ in images], [reference for _, reference in images])

    def _extract(
        self, reference: str, *, extractions: tuple[ExtractionSettings, ...], pyramid: bool, embed: bool
    ) -> ImageFeatures:
        image = self._image_store.open(reference)
        size, sources = None, {}
        for settings in extractions:
            size, sources[settings] = self._sources(image, reference, settings, embed=embed)
        if pyramid and size is None:
            size = self._pyramids.size_of(image)
        if size is None:
            return ImageFeatures(image, None, None, sources)
        self._remember_size(reference, size)
        windowed_image = self._window_encoder.of(image, size)  # first: raises for an image too long for tiles
        return ImageFeatures(
            image, None, size, sources, self._pyramids.of(image, size=size) if pyramid else None, windowed_image
        )

    def _sources(
        self, image: StoredImage, reference: str, settings: ExtractionSettings, *, embed: bool
    ) -> tuple[Size, tuple[Source, ...]]:
        key = key_of("sources", ARCHIVE_VERSION, repr(settings), image.key)
        entry = self._cache.get(key)
        if entry is not None:
            return unpack(entry)
        with self._one_large if image.is_large else nullcontext():
            pixels = image.pixels
            size = (pixels.shape[1], pixels.shape[0])
            check_side(size)
            sources = extract(pixels, settings=settings).sources
            self._cache.put(key, pack(size, sources))
            if embed and image.is_large:
                self._embeddings.of([image], [reference])  # cached while the pixels are decoded
            del pixels
            image.free_if_large()
        return size, sources
