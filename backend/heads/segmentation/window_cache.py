"""Memory of the last windows and first clicks: the input of the decoder, and masks, for the clicks that follow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from cachetools import LRUCache
from torch import Tensor

from backend.heads.segmentation.first_guess import FirstGuess
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.window_features import WindowedImage
from backend.lvm.tiles import Tile

__all__ = ["WindowReader"]

WINDOWS = 24
"""Number of windows in memory, 2 MB each. An annotator clicks in two or three of an image."""
OBJECTS = 128
"""Number of first clicks in memory, 64 kB each: Label Studio sends all clicks on an object with each new one."""

Value = TypeVar("Value")


class WindowReader:
    """Reads windows for one network, which never changes."""

    def __init__(self, network: SegmenterNetwork) -> None:
        self.network = network
        self._windows: LRUCache[Hashable, tuple[Tensor, FirstGuess]] = LRUCache(WINDOWS)
        self._objects: LRUCache[Hashable, Any] = LRUCache(OBJECTS)
        self._lock = threading.Lock()

    @torch.no_grad()
    def read(self, image: WindowedImage, window: Tile) -> tuple[Tensor, FirstGuess]:
        """The image embedding of a window, shape (1, width, cells, cells), and its first guess.

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
        """Return the result of `decode` for the first prompt of an object; it depends on image and prompt only."""
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
        value = compute()  # two requests can both compute it; neither waits for the other
        with self._lock:
            cache[key] = value
        return value
