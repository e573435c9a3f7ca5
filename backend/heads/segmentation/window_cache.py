"""In-memory cache of decoder inputs for the last windows and of masks for the last first clicks, for the following clicks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from cachetools import LRUCache
from torch import Tensor

from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.fusion_network import FusionNetwork
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.window_features import WindowedImage
from backend.lvm.tiles import Tile

__all__ = ["WindowReader"]

WINDOWS = 24
"""Largest number of windows in memory, 2 MB each; an annotator clicks in two or three windows of an image."""
OBJECTS = 128
"""Largest number of first clicks in memory, 64 kB each; Label Studio sends all clicks on an object with each new click."""

Value = TypeVar("Value")


class WindowReader:
    """Encodes windows for one network, which must not change, and caches the results.

    Parameters
    ----------
    network : SegmenterNetwork
    fusion : FusionNetwork, optional
        Fuses the candidate masks of a first click; without it, the one with the highest expected overlap is taken.
    """

    def __init__(self, network: SegmenterNetwork, *, fusion: FusionNetwork | None = None) -> None:
        self.network, self.fusion = network, fusion
        self._windows: LRUCache[Hashable, tuple[Tensor, FirstGuess]] = LRUCache(WINDOWS)
        self._objects: LRUCache[Hashable, Any] = LRUCache(OBJECTS)
        self._lock = threading.Lock()

    @torch.no_grad()
    def read(self, image: WindowedImage, window: Tile) -> tuple[Tensor, FirstGuess]:
        """Return the image embedding of a window, shape (1, width, cells, cells), and its first guess.

        Raises
        ------
        ImageError
            If the image is needed and cannot be read.
        """

        def read() -> tuple[Tensor, FirstGuess]:
            features = image.encode(window)
            return self.network.embed(features), FirstGuess.of(self.network, features)

        return self._get(self._windows, image, window, read)

    def remember(self, image: WindowedImage, prompt: Hashable, decode: Callable[[], Value]) -> Value:
        """Return the cached or new result of `decode` for the first prompt on an object (cached by image and prompt)."""
        value: Value = self._get(self._objects, image, prompt, decode)
        return value

    def _get(
        self, cache: LRUCache[Hashable, Value], image: WindowedImage, name: Hashable, compute: Callable[[], Value]
    ) -> Value:
        if image.key is None:
            return compute()
        key = image.key, name
        with self._lock:
            if key in cache:
                return cache[key]
        value = compute()  # without the lock: two requests may compute the same value
        with self._lock:
            cache[key] = value
        return value
