"""Equality of a predicted and a submitted region: the same outline, pixels or value.

The values are compared because Label Studio's `origin` of a region does not show whether it was edited. Measured with 1.23.2:
a dragged polygon and the copy of a region keep the origin "prediction"; a class that was changed and changed back has
"prediction-changed".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Ellipse, Labelled, Point

__all__ = ["SAME", "outline", "same_answer", "same_shape"]

SAME = 1e-6
"""Largest difference of equal outlines, relative to the image's width and height. When a shape is edited, Label Studio rewrites
all of its numbers; unedited ones change by 1e-15."""
ELLIPSE_CORNERS = 180
"""Corners of the polygon that represents an ellipse."""


def same_answer(before: Any, after: Any) -> bool:
    """Return whether two numbers are equal, or two selections have the same labels or paths in any order."""
    if isinstance(before, float):
        return bool(np.isclose(before, after, rtol=1e-9, atol=0))
    return set(before) == set(after)


def same_shape(before: Labelled[Any], after: Labelled[Any]) -> bool:
    """Return whether two shapes of the same type have the same outline or the same pixels."""
    if isinstance(before.shape, np.ndarray):
        return np.array_equal(before.shape, after.shape)
    first, second = outline(before), outline(after)
    return first.shape == second.shape and bool(np.allclose(first, second, rtol=0, atol=SAME))


def outline(region: Labelled[Any]) -> NDArray[np.float64]:
    """Return the corners of a point, box, ellipse or polygon, shape (n, 2), relative to the image's width and height."""
    shape = region.shape
    if isinstance(shape, Point):
        points = np.array([[shape.x, shape.y]])
    elif isinstance(shape, Box):
        sides = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (shape.width, shape.height)
        points = _rotate(sides, shape.rotation) + np.array([shape.x, shape.y])
    elif isinstance(shape, Ellipse):
        angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
        rim = np.column_stack([np.cos(angles), np.sin(angles)]) * (shape.radius_x, shape.radius_y)
        points = _rotate(rim, shape.rotation) + np.array([shape.x, shape.y])
    else:
        points = np.asarray(shape.points, np.float64)
    corners: NDArray[np.float64] = points / region.size
    return corners


def _rotate(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Rotate points, shape (n, 2), about (0, 0), clockwise on the screen."""
    angle = np.radians(degrees)
    across, down = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
    rotated_points: NDArray[np.float64] = points @ np.array([across, down])
    return rotated_points
