"""Conversion of shapes from pixels of a FITS array to the displayed image, which flips the rows and the signs of angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.regions.marks import Canvas

__all__ = ["box_about", "box_of_array", "ellipse_of_array", "point_of_array", "polygon_of_array"]

QUARTER_TURN = 90.0
SAME_ANGLE = 1e-9
"""Degrees. A box whose rotation differs from a multiple of 90 degrees by less than this is upright."""


def point_of_array(x: float, y: float, canvas: Canvas) -> Point:
    """Return a point from array coordinates, pixels, 0 at the centre of the first pixel."""
    ((column, row),) = canvas.from_array(np.array([[x, y]], np.float64)).tolist()
    return Point(column, row)


def ellipse_of_array(x: float, y: float, semi_x: float, semi_y: float, angle: float, canvas: Canvas) -> Ellipse:
    """Return an ellipse from array coordinates.

    Parameters
    ----------
    x, y : float
        Centre, pixels, 0 at the centre of the first pixel.
    semi_x, semi_y : float
        Semi-axes along x and y before the rotation, pixels.
    angle : float
        Degrees from x towards y of the array, which is counter-clockwise on the displayed image.
    canvas : Canvas
    """
    middle = point_of_array(x, y, canvas)
    return Ellipse(middle.x, middle.y, semi_x, semi_y, -angle % 360.0)


def box_of_array(x: float, y: float, width: float, height: float, angle: float, canvas: Canvas) -> Box:
    """Return a box from array coordinates; parameters as for `ellipse_of_array`, with full sides instead of semi-axes."""
    middle = point_of_array(x, y, canvas)
    return box_about(middle.x, middle.y, width, height, -angle)


def polygon_of_array(points: NDArray[np.float64], canvas: Canvas) -> Polygon:
    """Return a polygon from array coordinates, shape (n, 2), pixels, 0 at the centre of the first pixel."""
    return Polygon(canvas.from_array(points))


def box_about(x: float, y: float, width: float, height: float, rotation: float) -> Box:
    """Return the box with the centre (x, y) on the displayed image, rotated by `rotation`, degrees clockwise.

    A box that is rotated by a multiple of 90 degrees is returned as an upright box.
    """
    quarters = round(rotation / QUARTER_TURN)
    if abs(rotation - quarters * QUARTER_TURN) < SAME_ANGLE:
        if quarters % 2:
            width, height = height, width
        return Box(x - width / 2, y - height / 2, width, height)
    cosine, sine = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    left = x - (width * cosine - height * sine) / 2
    top = y - (width * sine + height * cosine) / 2
    return Box(float(left), float(top), width, height, rotation % 360.0)
