"""Shapes of a FITS array on the picture that shows it: rows are turned over, and so are angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.regions.marks import Canvas

__all__ = ["box_about", "box_of_array", "ellipse_of_array", "point_of_array", "polygon_of_array"]

QUARTER_TURN = 90.0
SAME_ANGLE = 1e-9
"""Degrees: a box turned by less than this off a quarter turn is upright."""


def point_of_array(x: float, y: float, canvas: Canvas) -> Point:
    """Return a point given in pixels of the array, counted from 0 at the middle of the first."""
    ((column, row),) = canvas.from_array(np.array([[x, y]], np.float64)).tolist()
    return Point(column, row)


def ellipse_of_array(x: float, y: float, semi_x: float, semi_y: float, angle: float, canvas: Canvas) -> Ellipse:
    """Return an ellipse given in pixels of the array.

    Parameters
    ----------
    x, y : float
        Middle, counted from 0 at the middle of the first pixel.
    semi_x, semi_y : float
        Half-axes along x and along y before it is turned, pixels.
    angle : float
        Degrees from x towards y of the array, which is counter-clockwise on the picture.
    canvas : Canvas
    """
    middle = point_of_array(x, y, canvas)
    return Ellipse(middle.x, middle.y, semi_x, semi_y, -angle % 360.0)


def box_of_array(x: float, y: float, width: float, height: float, angle: float, canvas: Canvas) -> Box:
    """Return a box about a middle, given as `ellipse_of_array` takes it, with whole sides."""
    middle = point_of_array(x, y, canvas)
    return box_about(middle.x, middle.y, width, height, -angle)


def polygon_of_array(points: NDArray[np.float64], canvas: Canvas) -> Polygon:
    """Return a polygon given in pixels of the array, shape (n, 2), counted from 0 at the middle of the first."""
    return Polygon(canvas.from_array(points))


def box_about(x: float, y: float, width: float, height: float, rotation: float) -> Box:
    """Return the box about (x, y) of the picture that is turned by `rotation`, degrees clockwise.

    One that is turned by quarters of a turn is given upright.
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
