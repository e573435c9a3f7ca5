"""Whether a region still says what it said: the same outline, the same pixels, the same answer.

What was predicted and what was submitted are compared, since Label Studio's own mark, a region's `origin`, does not tell.
Measured with 1.23.2: a polygon that was dragged and the copy of a region still say "prediction"; a class that was changed and
changed back says "prediction-changed".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Ellipse, Labelled, Point

__all__ = ["SAME", "outline", "same_answer", "same_shape"]

SAME = 1e-6
"""Outlines no farther apart are the same, in widths and heights of the image: where a shape is edited, Label Studio writes all
of its numbers anew, the others off by 1e-15."""
ELLIPSE_CORNERS = 180


def same_answer(before: Any, after: Any) -> bool:
    """Tell whether a number is the same, or the same labels or paths are picked, in whatever order."""
    if isinstance(before, float):
        return bool(np.isclose(before, after, rtol=1e-9, atol=0))
    return set(before) == set(after)


def same_shape(before: Labelled[Any], after: Labelled[Any]) -> bool:
    """Tell whether two shapes of one kind have the same outline, or the same pixels."""
    if isinstance(before.shape, np.ndarray):
        return np.array_equal(before.shape, after.shape)
    one, other = outline(before), outline(after)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=SAME))


def outline(drawn: Labelled[Any]) -> NDArray[np.float64]:
    """Corners of a point, box, ellipse or polygon, shape (n, 2), in widths and heights of the image."""
    shape = drawn.shape
    if isinstance(shape, Point):
        points = np.array([[shape.x, shape.y]])
    elif isinstance(shape, Box):
        sides = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (shape.width, shape.height)
        points = _turned(sides, shape.rotation) + np.array([shape.x, shape.y])
    elif isinstance(shape, Ellipse):
        angles = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
        rim = np.column_stack([np.cos(angles), np.sin(angles)]) * (shape.radius_x, shape.radius_y)
        points = _turned(rim, shape.rotation) + np.array([shape.x, shape.y])
    else:
        points = np.asarray(shape.points, np.float64)
    corners: NDArray[np.float64] = points / drawn.size
    return corners


def _turned(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Turn points about (0, 0), clockwise on the screen."""
    angle = np.radians(degrees)
    across, down = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
    turned: NDArray[np.float64] = points @ np.array([across, down])
    return turned
