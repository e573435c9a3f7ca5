"""`<BrushLabels>`: one run-length encoded mask per region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sync.controls import rle
from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import Region, new_region, no_faults, read_labels, read_size, read_value, write_labels
from sync.errors.controls import ControlError, quote
from sync.geometry.shapes import Labelled, Mask, Size, check_size

__all__ = [
    "KIND",
    "SHAPE",
    "TAG",
    "check_mask",
    "decode",
    "encode",
    "encode_mask",
    "encode_part",
    "faults",
    "readable_size",
    "resized",
]

TAG = "BrushLabels"
KIND = Kind.OBJECTS
SHAPE = np.ndarray

LARGER_AT_MOST = 4
"""Largest ratio of a mask's pixels to the image's pixels; the header of a larger mask is enough to reject it."""
SMALL_PIXELS = 4_000_000
"""Masks up to this number of pixels are decoded for any size of the image."""


def encode(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
    size : (width, height)
        Size of the image, pixels.

    Raises
    ------
    ControlError
        If the mask is empty, not boolean, or not of the image's shape.
    """
    check_mask(mask, control, size=size)
    value = {"format": "rle", "rle": rle.encode(mask), "brushlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


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


def encode_part(part: Mask, *, x: int, y: int, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a mask that is given as a crop: `part`, with its first pixel at column `x` and row `y`.

    The result equals that of `encode` for the full mask, which is False outside the crop.

    Raises
    ------
    ControlError
        If the part is empty, not boolean, or extends beyond the image.
    """
    width, height = check_size(size)
    if part.dtype != np.bool_ or part.ndim != 2:
        raise ControlError(f"a part of a mask must be boolean of shape (h, w), not {part.dtype} of shape {part.shape}")
    if not (0 <= x <= width - part.shape[1] and 0 <= y <= height - part.shape[0]):
        raise ControlError(
            f"a part of {part.shape[1]}x{part.shape[0]} pixels at ({x}, {y}) leaves an image of {width}x{height}"
        )
    if not part.any():
        raise ControlError(f"a mask for {control.name!r} has no pixel inside")
    packed = rle.encode_part(part, x=x, y=y, size=size)
    value = {"format": "rle", "rle": packed, "brushlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def decode(region: Region, *, size: Size | None = None) -> Labelled[Mask]:
    """Return the mask of an annotation.

    A mask with as many pixels as an image of `size` is decoded at `size`, regardless of the size that the region states. Any
    other mask is decoded at the stated size, for example that of a thumbnail, and scaled to `size` as Label Studio's page does.

    Raises
    ------
    ControlError
        If the mask fits neither size, or has more pixels than `LARGER_AT_MOST` and `SMALL_PIXELS` allow.
    """
    value = read_value(region, TAG)
    if value.get("format") != "rle":
        raise ControlError(f"a brush mask must have the format 'rle', not {quote(value.get('format'))}")
    labels = read_labels(value, TAG)
    packed = value.get("rle")
    if size is None:
        stated = read_size(region)
        return Labelled(shape=rle.decode(packed, size=stated), labels=labels, size=stated)  # type: ignore[arg-type]
    size = check_size(size)
    pixels = rle.pixel_count(packed)
    drawn_on = size if pixels == size[0] * size[1] else readable_size(region) or size
    if pixels > max(LARGER_AT_MOST * size[0] * size[1], SMALL_PIXELS):
        raise ControlError(
            f"a mask of {pixels} pixels does not fit an image of {size[0]}x{size[1]}: "
            f"one of another size has at most {LARGER_AT_MOST} times as many"
        )
    mask = rle.decode(packed, size=drawn_on)  # type: ignore[arg-type]
    return Labelled(shape=resized(mask, size), labels=labels, size=size)


def resized(mask: Mask, size: Size) -> Mask:
    """Return a mask scaled to `size` (width, height) by nearest neighbour; a non-empty mask keeps at least one pixel."""
    height, width = mask.shape
    if (width, height) == size:
        return mask
    rows = (np.arange(size[1]) + 0.5) * (height / size[1])
    columns = (np.arange(size[0]) + 0.5) * (width / size[0])
    scaled: Mask = mask[rows.astype(int)][:, columns.astype(int)]
    if not scaled.any() and mask.any():
        y, x = np.argwhere(mask).mean(axis=0)
        scaled[int((y + 0.5) * size[1] / height), int((x + 0.5) * size[0] / width)] = True
    return scaled


def encode_mask(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
    """Return a list with the region of a mask."""
    return [encode(mask, control=control, label=label, size=size, score=score)]


def readable_size(region: Mapping[str, Any]) -> Size | None:
    """Return the size that a region states, if its mask has that number of pixels; None if the image's own size is needed."""
    value = region.get("value")
    try:
        width, height = read_size(region)
        pixels = rle.pixel_count(value.get("rle") if isinstance(value, Mapping) else None)
    except ControlError:
        return None
    return (width, height) if width * height == pixels else None


faults = no_faults
