"""Tiles: the pieces in which a picture of any size is looked at, so that a full frame needs no more memory than a cut-out.

A picture up to `TILE_PX` is one piece at its own resolution. A larger one is cut into tiles that overlap by `OVERLAP_PX`, and
looked at again, scaled down by `REDUCTION`, until one piece holds it all: what is too large to lie whole in one tile of a scale
lies whole in one of the next.
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
"""Part of the keys under which what was seen of a tile is kept."""
TILE_PX = 512
OVERLAP_PX = 64
REDUCTION = 4
ENLARGED_UP_TO_PX = 128
ENLARGEMENT = 2


@dataclass(frozen=True, slots=True)
class Tile:
    """A window of a picture, and how many times as large it is looked at.

    Attributes
    ----------
    x, y, width, height : int
        In pixels of the picture.
    scale : float
        1 is the picture's own resolution.
    """

    x: int
    y: int
    width: int
    height: int
    scale: float

    @property
    def shown(self) -> Size:
        """(width, height) at which it is looked at, pixels."""
        return max(1, math.ceil(self.width * self.scale)), max(1, math.ceil(self.height * self.scale))

    @property
    def least_side(self) -> float:
        """Objects with smaller sides, pixels of the picture, are left to the tiles of the next finer scale."""
        return 0.0 if self.scale >= 1 else OVERLAP_PX / 2 / (self.scale * REDUCTION)

    def to_picture(self, boxes: Tensor) -> Tensor:
        """Boxes (left, top, right, bottom), shape (n, 4), from pixels as looked at to pixels of the picture."""
        return boxes * self._per_pixel() + torch.tensor([self.x, self.y, self.x, self.y], dtype=boxes.dtype)

    def from_picture(self, boxes: Tensor) -> Tensor:
        """Boxes, shape (n, 4), from pixels of the picture to pixels as looked at."""
        return (boxes - torch.tensor([self.x, self.y, self.x, self.y], dtype=boxes.dtype)) / self._per_pixel()

    def _per_pixel(self) -> Tensor:
        across, down = self.width / self.shown[0], self.height / self.shown[1]
        return torch.tensor([across, down, across, down])


def tiles_of(size: Size) -> tuple[Tile, ...]:
    """The tiles of a picture of `size` (width, height), the finest first."""
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
    """What is seen of a tile.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3)
        Brightness in [0, 1]; what is not finite is taken as black.

    Returns
    -------
    Tensor, shape (1, 3, shown height, shown width)
    """
    window = pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
    finite = np.nan_to_num(np.ascontiguousarray(window, dtype=np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    image = torch.from_numpy(finite).permute(2, 0, 1)[None]
    if tile.shown == (tile.width, tile.height):
        return image
    if tile.scale < 1:
        return functional.interpolate(image, size=tile.shown[::-1], mode="area")
    return functional.interpolate(image, size=tile.shown[::-1], mode="bilinear", align_corners=False)


def _windows(length: int, step: int) -> Iterator[tuple[int, int]]:
    """Start and length of evenly spaced windows over one side, if each pixel that is seen stands for `step`."""
    side, overlap = TILE_PX * step, OVERLAP_PX * step
    count = max(1, math.ceil((length - overlap) / (side - overlap)))
    if length <= side:
        count = 1
    for index in range(count):
        start = round(index * (length - side) / (count - 1)) if count > 1 else 0
        yield start, min(side, length)
