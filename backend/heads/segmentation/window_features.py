"""Features of the windows of an image: computed once, cached on disk, and shared by all processes.

They do not depend on the trained heads of a project, so all versions share them.
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
"""Feature maps of one window, each of shape (1, channels, height, width), float32."""
LARGEST_HALF = 65504.0
LARGEST_SIDE_PX = 20_000


class WindowEncoder(Protocol):
    """Encodes windows of images.

    Attributes
    ----------
    fingerprint : str
        Identifier of the weights.
    shown_px : int
        Side of a scaled window, pixels.
    """

    fingerprint: str
    shown_px: int

    def sides(self, size: Size) -> tuple[int, ...]:
        """Return the sides of the windows of an image of `size` (width, height), pixels, the largest first."""
        ...

    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        """Encode one window of an image, shape (height, width, 3)."""
        ...


def check_side(size: Size) -> None:
    """Reject an image of `size` (width, height) with a very long side: a strip of few pixels would have very many tiles.

    Raises
    ------
    ImageError
        If a side is longer than `LARGEST_SIDE_PX`.
    """
    if max(size) > LARGEST_SIDE_PX:
        raise ImageError(
            f"the image has {size[0]}x{size[1]} pixels; objects are detected in images of at most {LARGEST_SIDE_PX} "
            "pixels a side: cut it into parts"
        )


class CachedWindowEncoder:
    """A window encoder with a cache of its features.

    Parameters
    ----------
    encoder : WindowEncoder
    cache : Cache or None
        Stores features as float16; without a cache they are computed each time.
    numerics : str
        Name of the arithmetic of the encoder, as `Encoder.numerics`.
    """

    def __init__(self, encoder: WindowEncoder, cache: Cache | None, *, numerics: str = "") -> None:
        self.encoder = encoder
        self._cache = cache
        self._arithmetic = (numerics,) if numerics else ()  # keys of older releases have no such part

    def of(self, image: StoredImage, size: Size) -> WindowedImage:
        """Return the windows of a stored image of `size` (width, height); each is encoded on demand."""
        return WindowedImage(self, size, pixels=lambda: image.pixels, key=image.key)

    def of_pixels(self, pixels: NDArray[np.float32]) -> WindowedImage:
        """Return the windows of an image, shape (height, width, 3), that is not cached."""
        return WindowedImage(self, (pixels.shape[1], pixels.shape[0]), pixels=lambda: pixels, key=None)

    def encode(self, window: Tile, *, pixels: Callable[[], NDArray[np.float32]], key: str | None) -> WindowFeatures:
        """Return the features of one window, from the cache or from the encoder."""
        name = None
        if key:
            name = key_of("window", WINDOWS_VERSION, self.encoder.fingerprint, key, repr(window), *self._arithmetic)
        entry = self._cache.get(name) if self._cache and name else None
        if entry is not None:
            tensors = load(entry)
            return tuple(tensors[str(index)].float() for index in range(len(tensors)))
        # Rounded to float16 here, so that computed and cached features are equal.
        maps = self.encoder.encode(pixels(), window)
        halves = [level.clamp(-LARGEST_HALF, LARGEST_HALF).half().contiguous() for level in maps]
        if self._cache and name:
            self._cache.put(name, save({str(index): level for index, level in enumerate(halves)}))
        return tuple(level.float() for level in halves)

    def recall(self, name: str, *, key: str | None) -> bytes | None:
        """Return the result that `keep` stored for an image under a name, or None."""
        return self._cache.get(self._name(name, key)) if self._cache and key else None

    def keep(self, name: str, value: bytes, *, key: str | None) -> None:
        """Store a result for an image under a name."""
        if self._cache and key:
            self._cache.put(self._name(name, key), value)

    def _name(self, name: str, key: str) -> str:
        return key_of("made", WINDOWS_VERSION, self.encoder.fingerprint, key, name, *self._arithmetic)


class WindowedImage:
    """The windows of one image.

    Attributes
    ----------
    size : (width, height)
        Size of the image, pixels.
    sides : tuple of int
        Sides of its windows, pixels, the largest first.
    shown_px : int
        Side of a scaled window, pixels.
    fingerprint : str
        Identifier of the weights of the window encoder.
    key : str or None
        Cache key of the image; None disables the cache.
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

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The pixels of the image, shape (height, width, 3).

        Raises
        ------
        ImageError
            If the image cannot be read.
        """
        return self._pixels()

    def encode(self, window: Tile) -> WindowFeatures:
        """Return the features of one window.

        Raises
        ------
        ImageError
            If they are not cached and the image cannot be read.
        """
        return self._window_encoder.encode(window, pixels=self._pixels, key=self.key)

    def recall(self, name: str) -> bytes | None:
        """Return the result that `keep` stored under a name, or None."""
        return self._window_encoder.recall(name, key=self.key)

    def keep(self, name: str, value: bytes) -> None:
        """Store a result for the image; the name must contain everything else that the result depends on."""
        self._window_encoder.keep(name, value, key=self.key)
