"""Conversion of the shapes in a file to the shapes of controls: pixels, polygons and boxes."""

from __future__ import annotations

import numpy as np

from sync.controls import ControlError
from sync.controls.ellipse_axes import shorten_axes
from sync.export.outlines import outline_of
from sync.geometry.corners import box_around, box_corners, ellipse_box, ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.moments import moment_ellipse
from sync.geometry.shapes import MAX_CORNERS, Box, Ellipse, Point, Polygon, Size
from sync.regions.marks import PlacedMark, RegionsError, Shape

__all__ = ["box_of", "check_on_image", "ellipse_of", "ellipse_pixels", "footprint_of", "polygon_of"]

OTHER_CORNERS = 4


def footprint_of(mark: PlacedMark, size: Size) -> Footprint:
    """Return the pixels of a drawn mark on an image of `size` (width, height).

    Raises
    ------
    ControlError
        If the mark covers no pixel.
    """
    if mark.footprint is not None:
        return mark.footprint()
    shape = mark.shape
    if isinstance(shape, Footprint):
        return shape
    if isinstance(shape, Ellipse):
        return ellipse_pixels(shape, size)
    polygon = box_corners(shape) if isinstance(shape, Box) else shape
    assert isinstance(polygon, Polygon)
    return Footprint.of_polygon(polygon, size)


def ellipse_pixels(ellipse: Ellipse, size: Size) -> Footprint:
    """Return the pixels of an image whose centres lie in an ellipse.

    Parameters
    ----------
    ellipse : Ellipse
    size : (width, height)
        Size of the image, pixels.

    Raises
    ------
    ControlError
        If the ellipse contains no pixel centre.
    """
    around = ellipse_box(ellipse)
    low = np.clip(np.floor([around.x, around.y]), 0, size).astype(int)
    high = np.clip(np.ceil([around.x + around.width, around.y + around.height]), 0, size).astype(int)
    columns, rows = (np.arange(low[axis], high[axis]) + 0.5 for axis in (0, 1))
    right, down = columns[None, :] - ellipse.x, rows[:, None] - ellipse.y
    cosine, sine = np.cos(np.radians(ellipse.rotation)), np.sin(np.radians(ellipse.rotation))
    along, across = (right * cosine + down * sine) / ellipse.radius_x, (down * cosine - right * sine) / ellipse.radius_y
    inside = along**2 + across**2 < 1
    return Footprint.of_mask(inside, x=int(low[0]), y=int(low[1]))


def ellipse_of(mark: PlacedMark, size: Size) -> Ellipse:
    """Return a drawn ellipse, or the ellipse with the second moments of the pixels of another shape.

    Raises
    ------
    ControlError
        If the shape covers no pixel.
    """
    if isinstance(mark.shape, Ellipse):
        return mark.shape
    part = footprint_of(mark, size)
    return shorten_axes(moment_ellipse(part.pixels, x=part.x, y=part.y), size)


def polygon_of(mark: PlacedMark, size: Size) -> Polygon:
    """Return the outline of a drawn mark as a polygon.

    Raises
    ------
    ControlError
        If the outline of a mask has more than `MAX_CORNERS` corners.
    """
    shape = mark.shape
    if isinstance(shape, Footprint):
        ring = outline_of(shape)
        if len(ring) > MAX_CORNERS:
            raise ControlError(f"the outline has {len(ring):,} corners, more than the {MAX_CORNERS:,} that are read")
        return Polygon(ring)
    if isinstance(shape, Ellipse):
        return ellipse_corners(shape)
    if isinstance(shape, Box):
        return box_corners(shape)
    assert isinstance(shape, Polygon)
    return shape


def box_of(mark: PlacedMark, size: Size) -> Box:
    """Return the box of a drawn mark.

    A rotated box is described from one of its corners that lies on the image, as Label Studio requires.

    Raises
    ------
    ControlError
        If no corner of a rotated box lies on the image.
    """
    shape = mark.shape
    if not isinstance(shape, Box):
        return mark.box or _upright(shape)
    if shape.rotation == 0:
        return shape
    for number, (x, y) in enumerate(box_corners(shape).points.tolist()[:OTHER_CORNERS]):
        if 0 <= x <= size[0] and 0 <= y <= size[1]:
            sides = (shape.width, shape.height) if number % 2 == 0 else (shape.height, shape.width)
            return Box(x, y, *sides, (shape.rotation + 90 * number) % 360)
    raise ControlError("no corner of the rotated box lies on the image, as Label Studio requires")


def _upright(shape: Shape) -> Box:
    if isinstance(shape, Footprint):
        return shape.box
    if isinstance(shape, Ellipse):
        return ellipse_box(shape)
    assert isinstance(shape, Polygon)
    return box_around(shape.points)


def check_on_image(shape: Shape, size: Size) -> None:
    """Check that a shape can be placed on an image of `size` (width, height).

    Raises
    ------
    RegionsError
        If the shape lies outside the image, has no area, or has sides or coordinates that are not valid numbers.
    """
    if isinstance(shape, Footprint):
        return
    if isinstance(shape, Point):
        low = high = np.array([shape.x, shape.y])
    elif isinstance(shape, Box):
        corners = box_corners(shape).points
        low, high = corners.min(axis=0), corners.max(axis=0)
    else:
        around = _upright(shape)
        low, high = np.array([around.x, around.y]), np.array([around.x + around.width, around.y + around.height])
    if not np.isfinite([low, high]).all():
        raise RegionsError("the numbers of the object must be finite")
    if isinstance(shape, Box | Ellipse):
        sides = (shape.width, shape.height) if isinstance(shape, Box) else (shape.radius_x, shape.radius_y)
        if min(sides) <= 0:
            raise RegionsError(f"the sides must be above 0, not {sides[0]:g} and {sides[1]:g}")
    if not isinstance(shape, Point) and (high <= low).any():
        raise RegionsError("the object has no area")
    beyond = ((low > size) | (high < 0)) if isinstance(shape, Point) else ((low >= size) | (high <= 0))
    if beyond.any():
        raise RegionsError(f"the object lies outside the image of {size[0]}x{size[1]} pixels")
