"""Windows: the squares of an image in which prompts are decoded, from the whole image down to small squares.

An object of any size fills a large part of some window, so that a network for windows of one size outlines objects of all
sizes. SAM (Kirillov et al. 2023) encodes the whole image only: a galaxy of ten pixels in a frame of two thousand pixels covers
a third of a cell. The windows are on a fixed grid, so that all clicks near the middle of a window use the same features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["LEAST_SIDE_PX", "WINDOWS_VERSION", "halve_sides", "nearest_window", "window_around"]

WINDOWS_VERSION = "2"
"""Part of the cache keys of window features: increase it when the windows of an image change."""
LEAST_SIDE_PX = 96
"""Smallest side of a window: further enlargement does not add information."""
BOX_SHARE = 0.6
"""Largest ratio of the longer side of a box to the side of its window."""


def halve_sides(size: Size) -> tuple[int, ...]:
    """Return the sides of the windows of an image of `size` (width, height), pixels: the longer side, halved repeatedly."""
    sides = [max(size)]
    while sides[-1] / 2 >= LEAST_SIDE_PX:
        sides.append(math.ceil(sides[-1] / 2))
    return tuple(sides)


def nearest_window(side: int, centre: tuple[float, float], size: Size, *, shown_px: int) -> Tile:
    """Return the window of one level whose centre is nearest to a point.

    Windows of a level overlap by half. The point is therefore at least a quarter of the side away from every border that is not
    a border of the image.

    Parameters
    ----------
    side : int
        Side of the windows of the level, pixels of the image.
    centre : (x, y)
        Pixels of the image.
    size : (width, height)
        Size of the image, pixels.
    shown_px : int
        Side of the scaled window, pixels.
    """
    x, y = (_start(place, side, length) for place, length in zip(centre, size, strict=True))
    width, height = size
    return Tile(x, y, min(side, width - x), min(side, height - y), shown_px / side)


def window_around(box: Sequence[float], size: Size, *, sides: Sequence[int], shown_px: int) -> Tile:
    """Return the smallest window, of levels of these `sides`, with a box (left, top, right, bottom) and a margin around it."""
    left, top, right, bottom = box
    longer, middle = max(right - left, bottom - top), ((left + right) / 2, (top + bottom) / 2)
    side = min((side for side in sides if longer <= BOX_SHARE * side), default=max(sides))
    return nearest_window(side, middle, size, shown_px=shown_px)


def _start(place: float, side: int, length: int) -> int:
    step = side / 2
    last = max(math.ceil((length - side) / step), 0)
    index = min(max(round((place - step) / step), 0), last)
    return max(min(round(index * step), length - side), 0)
