"""Sight: what is seen of the windows of a picture, computed once, kept on disk, and shared by all processes.

It is what comes before everything that a project learns, so all versions share it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from backend.heads.segmentation.windows import WINDOWS_VERSION
from backend.images.store import StoredImage
from backend.lvm.tiles import Tile
from sync.errors.images import ImageError
from sync.files.cache import Cache, key_of
from sync.geometry.shapes import Size

__all__ = ["LARGEST_SIDE_PX", "CachedWindowEncoder", "WindowEncoder", "WindowFeatures", "WindowedImage", "check_side"]

WindowFeatures = tuple[Tensor, ...]
"""What an encoder gives of one window, each of shape (1, channels, height, width), float32."""
LARGEST_HALF = 65504.0
LARGEST_SIDE_PX = 20_000


class WindowEncoder(Protocol):
    """Looks at windows of pictures.

    Attributes
    ----------
    fingerprint : str
        Names its weights.
    shown_px : int
        Side at which it looks at a window.
    """

    fingerprint: str
    shown_px: int

    def sides(self, size: Size) -> tuple[int, ...]:
        """Sides of the windows of a picture of `size` (width, height), pixels, the largest first."""
        ...

    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        """Look at one window of a picture, shape (height, width, 3)."""
        ...


def check_side(size: Size) -> None:
    """Refuse a picture of `size` (width, height) that is too long: a strip of few pixels would be cut into very many tiles.

    Raises
    ------
    ImageError
        If a side is longer than `LARGEST_SIDE_PX`.
    """
    if max(size) > LARGEST_SIDE_PX:
        raise ImageError(
            f"the image has {size[0]}x{size[1]} pixels, and objects are looked for in images of at most {LARGEST_SIDE_PX} "
            "a side: cut it into parts"
        )


class CachedWindowEncoder:
    """A window encoder behind its cache.

    Parameters
    ----------
    cache : Cache or None
        Where what was seen is kept as float16; without one it is computed each time.
    """

    def __init__(self, encoder: WindowEncoder, cache: Cache | None) -> None:
        self.encoder = encoder
        self._cache = cache

    def of(self, picture: StoredImage, size: Size) -> WindowedImage:
        """The sight of a picture of `size` (width, height); nothing is computed before it is asked for."""
        return WindowedImage(self, size, pixels=lambda: picture.pixels, key=picture.key)

    def of_pixels(self, pixels: NDArray[np.float32]) -> WindowedImage:
        """The sight of an image, shape (height, width, 3), that has no key to be kept under."""
        return WindowedImage(self, (pixels.shape[1], pixels.shape[0]), pixels=lambda: pixels, key=None)

    def encode(self, window: Tile, *, pixels: Callable[[], NDArray[np.float32]], key: str | None) -> WindowFeatures:
        """What is seen of one window, from the cache or from the encoder."""
        name = key_of("window", WINDOWS_VERSION, self.encoder.fingerprint, key, repr(window)) if key else None
        kept = self._cache.get(name) if self._cache and name else None
        if kept is not None:
            stored = load(kept)
            return tuple(stored[str(index)].float() for index in range(len(stored)))
        # In float16 already here: what is computed now and what is read later must be the same.
        halves = [one.clamp(-LARGEST_HALF, LARGEST_HALF).half().contiguous() for one in self.encoder.encode(pixels(), window)]
        if self._cache and name:
            self._cache.put(name, save({str(index): one for index, one in enumerate(halves)}))
        return tuple(one.float() for one in halves)

    def recall(self, name: str, *, key: str | None) -> bytes | None:
        """What `keep` kept of a picture under a name; None where nothing is kept."""
        return self._cache.get(self._name(name, key)) if self._cache and key else None

    def keep(self, name: str, value: bytes, *, key: str | None) -> None:
        """Keep what was made of a picture beside what was seen of it."""
        if self._cache and key:
            self._cache.put(self._name(name, key), value)

    def _name(self, name: str, key: str) -> str:
        return key_of("made", WINDOWS_VERSION, self.encoder.fingerprint, key, name)


class WindowedImage:
    """The windows of one picture.

    Attributes
    ----------
    size : (width, height)
        Of the picture, pixels.
    sides : tuple of int
        Of its windows, the largest first, pixels.
    """

    def __init__(
        self, window_encoder: CachedWindowEncoder, size: Size, *, pixels: Callable[[], NDArray[np.float32]], key: str | None
    ) -> None:
        check_side(size)
        self._window_encoder = window_encoder
        self._pixels = pixels
        self.key = key
        self.size = size
        self.sides = window_encoder.encoder.sides(size)
        self.shown_px = window_encoder.encoder.shown_px
        self.fingerprint = window_encoder.encoder.fingerprint

    def encode(self, window: Tile) -> WindowFeatures:
        """What is seen of one window.

        Raises
        ------
        ImageError
            If it is not kept and the picture cannot be read.
        """
        return self._window_encoder.encode(window, pixels=self._pixels, key=self.key)

    def recall(self, name: str) -> bytes | None:
        """What `keep` kept under a name; None where nothing is kept."""
        return self._window_encoder.recall(name, key=self.key)

    def keep(self, name: str, value: bytes) -> None:
        """Keep what was made of the picture under a name that says all that it depends on but the picture."""
        self._window_encoder.keep(name, value, key=self.key)
