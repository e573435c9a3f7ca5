"""`<KeyPointLabels>`: points, mainly the clicks that prompt a mask."""

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
    read_value,
    size_for,
    write_labels,
)
from sync.errors.controls import ControlError, quote
from sync.geometry.shapes import Labelled, Point, Size, check_size

__all__ = ["KIND", "SHAPE", "TAG", "decode", "encode", "faults", "readable_size"]

TAG = "KeyPointLabels"
KIND = Kind.POINTS
SHAPE = Point

DOT_WIDTH_PERCENT = 0.5
"""Width of the dot that the page draws for a predicted point, percent of the image's width."""


def encode(point: Point, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of a point.

    Raises
    ------
    ControlError
        If the point lies outside the image or a coordinate is not finite.
    """
    finite(point.x, point.y, of="the coordinates of a point")
    width, height = check_size(size)
    if not (0 <= point.x <= width and 0 <= point.y <= height):
        raise ControlError(f"{point} lies outside an image of {width}x{height} pixels")
    value = {
        "x": min(float(point.x) / width * 100, 100.0),
        "y": min(float(point.y) / height * 100, 100.0),
        "width": DOT_WIDTH_PERCENT,
        "keypointlabels": write_labels([label], control),
    }
    return new_region(control, TAG, value, score=score, size=size)


def decode(region: Region, *, size: Size | None = None) -> Labelled[Point]:
    """Return the point of an annotation or of a prompt.

    Points without `is_positive`, which Label Studio sends with the prompts of a control, are positive.
    """
    value = read_value(region, TAG)
    width, height = size_for(region, size)
    positive = region.get("is_positive", True)
    if positive not in (True, False):  # older pages send 1 and 0
        raise ControlError(f"is_positive must be true or false, not {quote(positive)}")
    point = Point(x=read_number(value, "x") * width / 100, y=read_number(value, "y") * height / 100)
    return Labelled(shape=point, labels=read_labels(value, TAG), size=(width, height), positive=bool(positive))


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault if the point is outside the image."""
    yield from points_off_image([(value["x"], value["y"])])


readable_size = any_size
