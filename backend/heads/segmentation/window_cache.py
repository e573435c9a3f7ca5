"""The reader: what the decoder needs of a window, and what a first click found, remembered for the clicks that follow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import torch
from cachetools import LRUCache
from torch import Tensor

from backend.heads.segmentation.first_guess import Guide
from backend.heads.segmentation.network import SegmenterNetwork
from backend.heads.segmentation.window_features import WindowedImage
from backend.lvm.tiles import Tile

__all__ = ["WindowReader"]

WINDOWS = 24
"""So many are remembered, 2 MB each. An annotator clicks in two or three of a picture."""
OBJECTS = 128
"""So many first clicks are remembered, 64 kB each: Label Studio sends all clicks on an object with each one that is new."""

Found = TypeVar("Found")


class WindowReader:
    """Reads windows for one network, which never changes."""

    def __init__(self, network: SegmenterNetwork) -> None:
        self.network = network
        self._windows: LRUCache[Hashable, tuple[Tensor, Guide]] = LRUCache(WINDOWS)
        self._objects: LRUCache[Hashable, Any] = LRUCache(OBJECTS)
        self._lock = threading.Lock()

    @torch.no_grad()
    def read(self, windowed_image: WindowedImage, window: Tile) -> tuple[Tensor, Guide]:
        """The image embedding of a window, shape (1, width, cells, cells), and its guide.

        Raises
        ------
        ImageError
            If the picture is needed and cannot be read.
        """

        def read() -> tuple[Tensor, Guide]:
            seen = windowed_image.encode(window)
            return self.network.embed(seen), Guide.of(self.network, seen)

        return self._remembered(self._windows, windowed_image, window, read)

    def first(self, windowed_image: WindowedImage, prompt: Hashable, find: Callable[[], Found]) -> Found:
        """What `find` finds under the first prompt of an object; the same prompt finds the same."""
        found: Found = self._remembered(self._objects, windowed_image, prompt, find)
        return found

    def _remembered(
        self, kept: LRUCache[Hashable, Found], windowed_image: WindowedImage, what: Hashable, make: Callable[[], Found]
    ) -> Found:
        if windowed_image.key is None:
            return make()
        name = windowed_image.key, what
        with self._lock:
            if name in kept:
                return kept[name]
        made = make()  # two requests may both make it; neither waits for the other
        with self._lock:
            kept[name] = made
        return made
