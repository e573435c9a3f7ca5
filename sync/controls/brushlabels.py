"""`<BrushLabels>`: one run-length encoded mask per region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sync.controls import rle
from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.masks import check_footprint, check_mask, check_pixel_count, resize_mask
from sync.controls.region import Region, new_region, no_faults, read_labels, read_size, read_value, write_labels
from sync.errors.controls import ControlError, quote
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Labelled, Mask, Size, check_size

__all__ = ["KIND", "SHAPE", "TAG", "decode", "encode", "encode_footprint", "encode_mask", "faults", "readable_size"]

TAG = "BrushLabels"
KIND = Kind.OBJECTS
SHAPE = np.ndarray


def encode(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a mask.

    Raises
    ------
    ControlError
        If the mask is empty, not boolean, or not of the image's shape.
    """
    check_mask(mask, control, size=size)
    value = {"format": "rle", "rle": rle.encode(mask), "brushlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def encode_footprint(footprint: Footprint, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a cropped mask, as `encode` does for the full mask; raise ControlError if it is off the image."""
    check_footprint(footprint, size)
    runs = rle.encode_part(footprint.pixels, x=footprint.x, y=footprint.y, size=size)
    value = {"format": "rle", "rle": runs, "brushlabels": write_labels([label], control)}
    return new_region(control, TAG, value, score=score, size=size)


def decode(region: Region, *, size: Size | None = None) -> Labelled[Mask]:
    """Return the mask of an annotation.

    A mask with as many pixels as an image of `size` is decoded at `size`, regardless of the size that the region states. Any
    other mask is decoded at the stated size, for example that of a thumbnail, and scaled to `size` as Label Studio's page does.

    Raises
    ------
    ControlError
        If the mask fits neither size, or `check_pixel_count` rejects it.
    """
    value = read_value(region, TAG)
    if value.get("format") != "rle":
        raise ControlError(f"a brush mask must have the format 'rle', not {quote(value.get('format'))}")
    labels = read_labels(value, TAG)
    runs = value.get("rle")
    if size is None:
        size_in_region = read_size(region)
        return Labelled(shape=rle.decode(runs, size=size_in_region), labels=labels, size=size_in_region)  # type: ignore[arg-type]
    size = check_size(size)
    pixels = rle.pixel_count(runs)
    drawn_on = size if pixels == size[0] * size[1] else readable_size(region) or size
    check_pixel_count(pixels, size)
    mask = rle.decode(runs, size=drawn_on)  # type: ignore[arg-type]
    return Labelled(shape=resize_mask(mask, size), labels=labels, size=size)


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
