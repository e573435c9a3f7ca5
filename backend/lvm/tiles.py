"""Tiles: windows of an image at several scales, which bound the memory that an image of any size needs.

An image up to `TILE_PX` is one tile at its own resolution (enlarged by `ENLARGEMENT` up to `ENLARGED_UP_TO_PX`). A larger image
is divided into tiles that overlap by `OVERLAP_PX`, and again at scales reduced by `REDUCTION`, until one tile covers the whole
image: an object too large for a tile of one scale lies completely in a tile of a coarser scale.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sync.geometry.shapes import Size

__all__ = ["OVERLAP_PX", "TILES_VERSION", "TILE_PX", "Tile", "cut", "tiles_of"]

TILES_VERSION = "1"
"""Part of the cache keys of feature maps of tiles."""
TILE_PX = 512
OVERLAP_PX = 64
REDUCTION = 4
ENLARGED_UP_TO_PX = 128
ENLARGEMENT = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """A window of an image and its scale.

    Attributes
    ----------
    x, y, width, height : int
        Window, pixels of the image.
    scale : float
        Pixels of the tile per pixel of the image; 1 is the image's own resolution.
    """

    x: int
    y: int
    width: int
    height: int
    scale: float

    @property
    def scaled_size(self) -> Size:
        """Size (width, height) of the scaled tile, pixels."""
        return max(1, math.ceil(self.width * self.scale)), max(1, math.ceil(self.height * self.scale))

    @property
    def least_side(self) -> float:
        """Smallest side of an object of this scale, pixels of the image; tiles of finer scales detect smaller objects."""
        return 0.0 if self.scale >= 1 else OVERLAP_PX / 2 / (self.scale * REDUCTION)

    def to_image(self, boxes: Tensor) -> Tensor:
        """Convert boxes (left, top, right, bottom), shape (n, 4), from pixels of the tile to pixels of the image."""
        return boxes * self._per_pixel() + torch.tensor([self.x, self.y, self.x, self.y], dtype=boxes.dtype)

    def from_image(self, boxes: Tensor) -> Tensor:
        """Convert boxes (left, top, right, bottom), shape (n, 4), from pixels of the image to pixels of the tile."""
        return (boxes - torch.tensor([self.x, self.y, self.x, self.y], dtype=boxes.dtype)) / self._per_pixel()

    def _per_pixel(self) -> Tensor:
        across, down = self.width / self.scaled_size[0], self.height / self.scaled_size[1]
        return torch.tensor([across, down, across, down])


def tiles_of(size: Size) -> tuple[Tile, ...]:
    """Return the tiles of an image of `size` (width, height), pixels, the finest first."""
    width, height = size
    if max(size) <= ENLARGED_UP_TO_PX:
        return (Tile(0, 0, width, height, float(ENLARGEMENT)),)
    tiles: list[Tile] = []
    step = 1
    while True:
        across, down = list(_windows(width, step)), list(_windows(height, step))
        tiles += [Tile(x, y, w, h, 1 / step) for y, h in down for x, w in across]
        if len(across) == len(down) == 1:
            return tuple(tiles)
        step *= REDUCTION


def cut(pixels: NDArray[np.float32], tile: Tile) -> Tensor:
    """Cut a tile out of an image and scale it.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3)
        Brightness in [0, 1]; NaN and negative infinity become 0, positive infinity 1.
    tile : Tile

    Returns
    -------
    Tensor, shape (1, 3, shown height, shown width)
    """
    window = pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
    finite = np.nan_to_num(np.ascontiguousarray(window, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    image = torch.from_numpy(finite).permute(2, 0, 1)[None]
    if tile.scaled_size == (tile.width, tile.height):
        return image
    if tile.scale < 1:
        return functional.interpolate(image, size=tile.scaled_size[::-1], mode="area")
    return functional.interpolate(image, size=tile.scaled_size[::-1], mode="bilinear", align_corners=False)


def _windows(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield start and length, pixels, of evenly spaced windows over one side at the scale 1 / `step`."""
    side, overlap = TILE_PX * step, OVERLAP_PX * step
    count = max(1, math.ceil((length - overlap) / (side - overlap)))
    if length <= side:
        count = 1
    for index in range(count):
        start = round(index * (length - side) / (count - 1)) if count > 1 else 0
        yield start, min(side, length)
