"""Footprints: the pixels that an object covers, cropped to their bounding box.

A survey frame has millions of pixels and a galaxy hundreds, so the program stores, measures and compares cropped masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from sync.errors.controls import ControlError
from sync.geometry.raster import covers_a_pixel, rasterise
from sync.geometry.shapes import Box, Mask, Polygon, Size

__all__ = ["Footprint", "mask_bounds"]

EMPTY = "the mask is empty: it needs a pixel"


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Pixels of an image that belong to an object; at least one.

    Attributes
    ----------
    x, y : int
        Column and row of the first pixel of `pixels` in the image.
    pixels : ndarray of bool, shape (h, w)
        True for the object's pixels; the first and last row and column each contain at least one of them.
    """

    x: int
    y: int
    pixels: Mask

    @classmethod
    def of_mask(cls, mask: Mask, *, x: int = 0, y: int = 0) -> Self:
        """Crop a mask, shape (height, width), whose first pixel is at column `x` and row `y` of the image.

        Raises
        ------
        ControlError
            If the mask is empty.
        """
        left, top, right, low = mask_bounds(mask)
        return cls(x + left, y + top, mask[top:low, left:right].copy())

    @classmethod
    def of_polygon(cls, polygon: Polygon, size: Size) -> Self:
        """Return the footprint of the pixels whose centres lie inside a polygon, on an image of `size` (width, height).

        Raises
        ------
        ControlError
            If the polygon contains no pixel centre of the image.
        """
        shifted_polygon, (x, y), box_size = _crop(polygon, size)
        return cls.of_mask(rasterise(shifted_polygon, box_size), x=x, y=y)

    @staticmethod
    def check_polygon(polygon: Polygon, size: Size) -> None:
        """Check that `of_polygon` gives a footprint; the time depends on the outline, and not on the number of its pixels.

        Raises
        ------
        ControlError
            As `of_polygon`.
        """
        shifted_polygon, _, box_size = _crop(polygon, size)
        if not covers_a_pixel(shifted_polygon, box_size):
            raise ControlError(EMPTY)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.pixels.sum())

    @property
    def box(self) -> Box:
        """Axis-aligned bounding box of the pixels."""
        height, width = self.pixels.shape
        return Box(float(self.x), float(self.y), float(width), float(height))

    def holds(self, column: int, row: int) -> bool:
        """Return whether a pixel of the image belongs to the object."""
        height, width = self.pixels.shape
        inside = self.x <= column < self.x + width and self.y <= row < self.y + height
        return inside and bool(self.pixels[row - self.y, column - self.x])

    def to_mask(self, size: Size) -> Mask:
        """Return the mask on the full image of `size` (width, height), shape (height, width)."""
        width, height = size
        mask = np.zeros((height, width), dtype=np.bool_)
        self.paint(mask)
        return mask

    def paint(self, image: np.ndarray[tuple[int, ...], np.dtype[np.generic]], value: int | bool = True) -> None:
        """Set the object's pixels of `image`, shape (height, width), to `value`."""
        height, width = self.pixels.shape
        image[self.y : self.y + height, self.x : self.x + width][self.pixels] = value

    def count_shared(self, other: Footprint) -> int:
        """Return the number of pixels that belong to both footprints."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.pixels.shape[1], other.x + other.pixels.shape[1])
        low = min(self.y + self.pixels.shape[0], other.y + other.pixels.shape[0])
        if right <= left or low <= top:
            return 0
        mine = self.pixels[top - self.y : low - self.y, left - self.x : right - self.x]
        theirs = other.pixels[top - other.y : low - other.y, left - other.x : right - other.x]
        return int((mine & theirs).sum())


def mask_bounds(mask: Mask) -> tuple[int, int, int, int]:
    """Return the bounds (left, top, right, low) of a mask's pixels; right and low are exclusive.

    Raises
    ------
    ControlError
        If the mask is empty.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        raise ControlError(EMPTY)
    top, low = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:low].any(axis=0))
    return int(columns[0]), top, int(columns[-1]) + 1, low


def _crop(polygon: Polygon, size: Size) -> tuple[Polygon, tuple[int, int], Size]:
    """Move a polygon into the box around its part of an image of `size`; return it, the corner of the box, and its size."""
    if len(polygon.points) < 3:
        raise ControlError("the outline lies outside the image")
    low = np.clip(np.floor(polygon.points.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(polygon.points.max(axis=0)), 0, size).astype(int)
    width, height = (int(length) for length in high - low)
    if not (width and height):
        raise ControlError("the outline lies outside the image")
    return Polygon(polygon.points - low), (int(low[0]), int(low[1])), (width, height)
