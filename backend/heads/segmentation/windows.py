"""Windows: the squares of a picture in which prompted objects are looked for, from the whole picture down to small ones.

An object of any size fills a fair part of some window, so one network that sees windows of one size outlines them all: SAM
(Kirillov et al. 2023) looks at the whole image only, and a galaxy of ten pixels in a frame of two thousand would be half a cell
there. The grid is fixed, so what was seen of a window serves every click near its middle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["LEAST_SIDE_PX", "WINDOWS_VERSION", "halving", "nearest_window", "window_around"]

WINDOWS_VERSION = "2"
"""Part of the keys under which what was seen of a window is kept."""
LEAST_SIDE_PX = 96
"""No window is smaller: enlarged further it would show no more."""
BOX_SHARE = 0.6
"""A box is answered in the smallest window of which its longer side takes at most this share."""


def halving(size: Size) -> tuple[int, ...]:
    """Sides of the windows of a picture of `size` (width, height), pixels: the longer side, then half of it, and so on."""
    sides = [max(size)]
    while sides[-1] / 2 >= LEAST_SIDE_PX:
        sides.append(math.ceil(sides[-1] / 2))
    return tuple(sides)


def nearest_window(side: int, centre: tuple[float, float], size: Size, *, shown_px: int) -> Tile:
    """The window of one level whose middle is nearest to a place.

    Windows of a level overlap by half: the place is at least a quarter of the side away from every border that is not the
    picture's own.

    Parameters
    ----------
    side : int
        Of the level, pixels of the picture.
    centre : (x, y)
        Pixels of the picture.
    shown_px : int
        Side at which the window is looked at.
    """
    x, y = (_start(place, side, length) for place, length in zip(centre, size, strict=True))
    width, height = size
    return Tile(x, y, min(side, width - x), min(side, height - y), shown_px / side)


def window_around(box: Sequence[float], size: Size, *, sides: Sequence[int], shown_px: int) -> Tile:
    """The smallest window, of levels of these `sides`, that shows a box (left, top, right, bottom) with room around it."""
    left, top, right, bottom = box
    longer, middle = max(right - left, bottom - top), ((left + right) / 2, (top + bottom) / 2)
    side = min((side for side in sides if longer <= BOX_SHARE * side), default=max(sides))
    return nearest_window(side, middle, size, shown_px=shown_px)


def _start(place: float, side: int, length: int) -> int:
    step = side / 2
    last = max(math.ceil((length - side) / step), 0)
    index = min(max(round((place - step) / step), 0), last)
    return max(min(round(index * step), length - side), 0)
