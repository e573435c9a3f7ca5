"""`<RectangleLabels>`: boxes of annotations and of prompts.

Label Studio stores the corner and the sides in percent of the image's width and height, and rotates the box about that corner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sync.controls.control import Control
from sync.controls.kind import Kind
from sync.controls.region import (
    Region,
    any_size,
    finite,
    new_region,
    points_off_image,
    read_labels,
    read_number,
    read_rotation,
    read_value,
    size_for,
    write_labels,
    write_rotation,
)
from sync.errors.controls import ControlError
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Labelled, Mask, Size, check_size

__all__ = ["KIND", "SHAPE", "TAG", "decode", "encode", "encode_mask", "faults", "readable_size"]

TAG = "RectangleLabels"
KIND = Kind.OBJECTS
SHAPE = Box


def encode(box: Box, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a box.

    An unrotated box is clipped to the image, so x + width is never above 100. Of a rotated box, only the lengths of the sides
    are limited, to 100 percent.

    Raises
    ------
    ControlError
        If an unrotated box does not overlap the image, the corner of a rotated box is outside it, or a number is not finite.
    """
    finite(box.x, box.y, box.width, box.height, box.rotation, of="the numbers of a box")
    width, height = check_size(size)
    rotation = write_rotation(box.rotation)
    x, percent_width = _span(box.x, box.width, of=width, clip=rotation == 0)
    y, percent_height = _span(box.y, box.height, of=height, clip=rotation == 0)
    if not (percent_width > 0 and percent_height > 0 and 0 <= x <= 100 and 0 <= y <= 100):
        raise ControlError(f"{box} lies outside an image of {width}x{height} pixels")
    value = {
        "x": x,
        "y": y,
        "width": percent_width,
        "height": percent_height,
        "rotation": rotation,
        "rectanglelabels": write_labels([label], control),
    }
    return new_region(control, TAG, value, score=score, size=size)


def decode(region: Region, *, size: Size | None = None) -> Labelled[Box]:
    """Return the box of an annotation or of a prompt."""
    value = read_value(region, TAG)
    width, height = size_for(region, size)
    box = Box(
        x=read_number(value, "x") * width / 100,
        y=read_number(value, "y") * height / 100,
        width=read_number(value, "width", above=0) * width / 100,
        height=read_number(value, "height", above=0) * height / 100,
        rotation=read_rotation(value),
    )
    return Labelled(shape=box, labels=read_labels(value, TAG), size=(width, height))


def encode_mask(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
    """Return the region of the axis-aligned bounding box of a mask."""
    return [encode(Footprint.of_mask(mask).box, control=control, label=label, size=size, score=score)]


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault if the corner, or the opposite side of an unrotated box, is outside the image."""
    yield from points_off_image([(value["x"], value["y"])])
    if not value.get("rotation"):
        for start, length in (("x", "width"), ("y", "height")):
            if value[start] + value[length] > 100:
                yield f"has {start} + {length} = {value[start] + value[length]!r}: 100 is the image's border"


readable_size = any_size


def _span(start: float, length: float, *, of: int, clip: bool) -> tuple[float, float]:
    """Return the start and the length of a side, in percent of `of` pixels."""
    if not clip:
        return float(start) / of * 100, min(float(length) / of * 100, 100.0)
    first = min(max(float(start), 0.0), float(of))
    last = min(max(float(start) + float(length), 0.0), float(of))
    percent = first / of * 100
    return percent, min((last - first) / of * 100, 100 - percent)
