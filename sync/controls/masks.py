"""Masks of regions: their checks, and their scaling to the size of the image."""

from __future__ import annotations

import numpy as np

from sync.controls.control import Control
from sync.errors.controls import ControlError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask, Size, check_size

__all__ = ["check_footprint", "check_mask", "check_pixel_count", "resize_mask"]

LARGER_AT_MOST = 4
"""Largest ratio of a mask's pixels to the image's pixels; the header of a larger mask is enough to reject it."""
SMALL_PIXELS = 4_000_000
"""Masks up to this number of pixels are decoded for any size of the image."""


def check_mask(mask: Mask, control: Control, *, size: Size) -> None:
    """Raise ControlError unless a mask is boolean, has the shape of an image of `size` (width, height) and is not empty."""
    width, height = check_size(size)
    if mask.dtype != np.bool_ or mask.shape != (height, width):
        raise ControlError(
            f"a mask of an image of {width}x{height} pixels must be boolean of shape {(height, width)}, "
            f"not {mask.dtype} of shape {mask.shape}"
        )
    if not mask.any():
        raise ControlError(f"a mask for {control.name!r} has no pixel inside")


def check_footprint(footprint: Footprint, size: Size) -> None:
    """Raise ControlError if a footprint extends beyond an image of `size` (width, height)."""
    width, height = check_size(size)
    rows, columns = footprint.pixels.shape
    if not (0 <= footprint.x <= width - columns and 0 <= footprint.y <= height - rows):
        raise ControlError(
            f"a part of {columns}x{rows} pixels at ({footprint.x}, {footprint.y}) leaves an image of {width}x{height}"
        )


def check_pixel_count(pixels: int, size: Size) -> None:
    """Raise ControlError if a mask has more pixels than `LARGER_AT_MOST` and `SMALL_PIXELS` allow on an image of `size`."""
    if pixels > max(LARGER_AT_MOST * size[0] * size[1], SMALL_PIXELS):
        raise ControlError(
            f"a mask of {pixels} pixels does not fit an image of {size[0]}x{size[1]}: "
            f"one of another size has at most {LARGER_AT_MOST} times as many"
        )


def resize_mask(mask: Mask, size: Size) -> Mask:
    """Return a mask scaled to `size` (width, height) by nearest neighbour; a non-empty mask keeps at least one pixel."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    rows = (np.arange(size[1]) + 0.5) * (height / size[1])
    columns = (np.arange(size[0]) + 0.5) * (width / size[0])
    scaled_mask: Mask = mask[rows.astype(int)][:, columns.astype(int)]
    if not scaled_mask.any() and mask.any():
        y, x = np.argwhere(mask).mean(axis=0)
        scaled_mask[int((y + 0.5) * size[1] / height), int((x + 0.5) * size[0] / width)] = True
    return scaled_mask
