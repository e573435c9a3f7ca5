"""`<EllipseLabels>`: ellipses.

Label Studio stores the centre and the semi-axes in percent of the image's width and height, before the rotation about the
centre; it rejects semi-axes above 50.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sync.controls.control import Control
from sync.controls.ellipse_axes import MAX_RADIUS_PERCENT, are_axes_storable, shorten_axes
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
from sync.geometry.moments import moment_ellipse
from sync.geometry.shapes import Ellipse, Labelled, Mask, Size, check_size

__all__ = ["KIND", "SHAPE", "TAG", "decode", "encode", "encode_mask", "faults", "readable_size"]

TAG = "EllipseLabels"
KIND = Kind.OBJECTS
SHAPE = Ellipse


def encode(ellipse: Ellipse, *, control: Control, label: str, size: Size, score: float | None = None) -> Region:
    """Return the region of an ellipse.

    The axes are exchanged and the ellipse rotated by 90 degrees if Label Studio can store only that form.

    Raises
    ------
    ControlError
        If the centre lies outside the image, a semi-axis is not above 0 or is longer than half the image, or a number is not
        finite.
    """
    finite(ellipse.x, ellipse.y, ellipse.radius_x, ellipse.radius_y, ellipse.rotation, of="the numbers of an ellipse")
    width, height = check_size(size)
    if not (0 <= ellipse.x <= width and 0 <= ellipse.y <= height):
        raise ControlError(f"the centre of {ellipse} lies outside an image of {width}x{height} pixels")
    if ellipse.radius_x <= 0 or ellipse.radius_y <= 0:
        raise ControlError(f"the half-axes of {ellipse} must be above 0")
    if not are_axes_storable(ellipse, size):
        rotated_ellipse = Ellipse(ellipse.x, ellipse.y, ellipse.radius_y, ellipse.radius_x, ellipse.rotation + 90)
        if not are_axes_storable(rotated_ellipse, size):
            longest = max(ellipse.radius_x, ellipse.radius_y)
            raise ControlError(
                f"the half-axis of {longest:.4g} pixels is longer than half the image, which Label Studio does not allow"
            )
        ellipse = rotated_ellipse
    value = {
        "x": min(float(ellipse.x) / width * 100, 100.0),
        "y": min(float(ellipse.y) / height * 100, 100.0),
        "radiusX": min(float(ellipse.radius_x) / width * 100, MAX_RADIUS_PERCENT),
        "radiusY": min(float(ellipse.radius_y) / height * 100, MAX_RADIUS_PERCENT),
        "rotation": write_rotation(ellipse.rotation),
        "ellipselabels": write_labels([label], control),
    }
    return new_region(control, TAG, value, score=score, size=size)


def decode(region: Region, *, size: Size | None = None) -> Labelled[Ellipse]:
    """Return the ellipse of an annotation."""
    value = read_value(region, TAG)
    width, height = size_for(region, size)
    ellipse = Ellipse(
        x=read_number(value, "x") * width / 100,
        y=read_number(value, "y") * height / 100,
        radius_x=read_number(value, "radiusX", above=0) * width / 100,
        radius_y=read_number(value, "radiusY", above=0) * height / 100,
        rotation=read_rotation(value),
    )
    return Labelled(shape=ellipse, labels=read_labels(value, TAG), size=(width, height))


def encode_mask(mask: Mask, *, control: Control, label: str, size: Size, score: float | None = None) -> list[Region]:
    """Return the region of the ellipse with the second moments of a mask; `shorten_axes` limits its axes."""
    return [encode(shorten_axes(moment_ellipse(mask), size), control=control, label=label, size=size, score=score)]


def faults(value: Mapping[str, Any], control: Control) -> Iterator[str]:
    """Yield a fault if the centre is outside the image."""
    yield from points_off_image([(value["x"], value["y"])])


readable_size = any_size
