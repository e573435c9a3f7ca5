"""Pyramids of pictures: the encoder's feature maps of every tile, computed once and kept on disk as float16.

A retraining of a detector then starts from feature maps, not from pixels: a 256 px cut-out takes 0.7 MB and a
millisecond to read, where the encoder needs 65 ms on one core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from backend.images.store import StoredImage
from backend.lvm.encoder import Encoder
from backend.lvm.tiles import TILE_PX, TILES_VERSION, Tile, cut, tiles_of
from sync.files.cache import Cache, key_of
from sync.geometry.shapes import Size

__all__ = ["FINEST_STRIDE_PX", "Levels", "PicturePyramid", "Pyramids"]

Levels = tuple[Tensor, ...]
"""Feature maps of one tile, the finest first, each of shape (1, channels, height, width), float32."""

FINEST_STRIDE_PX = 4
"""Galaxies of ten pixels need it; a finer map would only cost disk and time."""
LARGEST_HALF = 65504.0


class Pyramids:
    """The encoder behind its cache.

    Parameters
    ----------
    encoder : Encoder
        Frozen.
    cache : Cache or None
        Where feature maps are kept; without one they are computed each time.
    fingerprint : str
        Names the encoder's weights.
    """

    def __init__(self, encoder: Encoder, cache: Cache | None, *, fingerprint: str) -> None:
        self._encoder = encoder
        self._cache = cache
        self.fingerprint = fingerprint
        kept = [index for index, stride in enumerate(encoder.config.strides) if stride >= FINEST_STRIDE_PX]
        self._kept = kept
        self.strides = tuple(encoder.config.strides[index] for index in kept)
        self.channels = tuple(encoder.config.channels[index] for index in kept)

    def of(self, picture: StoredImage, *, size: Size | None = None) -> PicturePyramid:
        """The pyramid of a picture; nothing is computed before it is asked for.

        Parameters
        ----------
        size : (width, height), optional
            Of the picture, pixels; looked up or measured if it is not given.

        Raises
        ------
        ImageError
            If the size is not known and the picture cannot be read.
        """
        width, height = size or self.size_of(picture)
        # A full frame's pixels are let go with the copy of the picture that decoded them.
        large = max(width, height) > TILE_PX
        return PicturePyramid(
            self, (width, height), pixels=lambda: (replace(picture) if large else picture).pixels, key=picture.key
        )

    def size_of(self, picture: StoredImage) -> Size:
        """(width, height) of a picture, pixels, looked up or measured.

        Raises
        ------
        ImageError
            If it is not known and the picture cannot be read.
        """
        key = key_of("size", picture.key)
        known = self._cache.get(key) if self._cache else None
        if known is not None:
            width, height = (int(side) for side in known.split())
            return width, height
        height, width = replace(picture).pixels.shape[:2]  # of a copy: two hundred frames must not be held for their sizes
        if self._cache:
            self._cache.put(key, f"{width} {height}".encode())
        return width, height

    def of_pixels(self, pixels: NDArray[np.float32]) -> PicturePyramid:
        """The pyramid of an image, shape (height, width, 3), that has no key to be kept under."""
        return PicturePyramid(self, (pixels.shape[1], pixels.shape[0]), pixels=lambda: pixels, key=None)

    def levels(self, tile: Tile, *, pixels: Callable[[], NDArray[np.float32]], key: str | None) -> Levels:
        """The feature maps of one tile, from the cache or from the encoder."""
        name = key_of("pyramid", TILES_VERSION, self.fingerprint, repr(self.strides), key, repr(tile)) if key else None
        kept = self._cache.get(name) if self._cache and name else None
        if kept is None:
            computed = self._compute(cut(pixels(), tile))
            if self._cache and name:
                self._cache.put(name, save({str(index): level for index, level in enumerate(computed)}))
        else:
            stored = load(kept)
            computed = tuple(stored[str(index)] for index in range(len(stored)))
        return tuple(level.float() for level in computed)

    @torch.no_grad()
    def _compute(self, image: Tensor) -> Levels:
        levels = self._encoder.pyramid(image)
        # In float16 already here: what is computed now and what is read later must be the same.
        return tuple(levels[index].clamp(-LARGEST_HALF, LARGEST_HALF).half().contiguous() for index in self._kept)


class PicturePyramid:
    """The feature maps of one picture, tile by tile.

    Attributes
    ----------
    size : (width, height)
        Of the picture, pixels.
    tiles : tuple of Tile
    fingerprint : str
        Of the encoder.
    """

    def __init__(self, pyramids: Pyramids, size: Size, *, pixels: Callable[[], NDArray[np.float32]], key: str | None) -> None:
        self._pyramids = pyramids
        self._pixels = pixels
        self._key = key
        self.size = size
        self.tiles: Sequence[Tile] = tiles_of(size)
        self.fingerprint = pyramids.fingerprint

    def levels(self, tile: Tile) -> Levels:
        """The feature maps of one tile.

        Raises
        ------
        ImageError
            If they are not kept and the picture cannot be read.
        """
        return self._pyramids.levels(tile, pixels=self._pixels, key=self._key)

    def __iter__(self) -> Iterator[tuple[Tile, Levels]]:
        """Each tile with its feature maps; the picture is decoded once at most, and one tile is held at a time."""
        decoded: list[NDArray[np.float32]] = []

        def pixels() -> NDArray[np.float32]:
            if not decoded:
                decoded.append(self._pixels())
            return decoded[0]

        for tile in self.tiles:
            yield tile, self._pyramids.levels(tile, pixels=pixels, key=self._key)
