"""Lines of YOLO label files: boxes, outlines, oriented boxes (OBB) and key points, as fractions of the image's sides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import quote
from sync.geometry.shapes import Box, Point, Polygon
from sync.regions.marks import Canvas, Mark, PlacedMark, RegionsError

__all__ = ["edges_of_box", "edges_of_outline", "parse_words", "read_line", "rotated_box"]

BOX, OBB = 4, 8
"""Counts of numbers of an upright box, and of the four corners of an oriented box."""
FAR = 10.0
"""Largest absolute value of a fraction."""
RIGHT_ANGLE_PX = 0.02
"""Largest deviation of the corners of an oriented box from a rectangle, pixels; it grows in proportion with sides over 100
pixels. Files usually have six digits."""


def edges_of_box(mark: Mark) -> NDArray[np.float64] | None:
    if not (isinstance(mark.draw, partial) and mark.draw.func is _draw_box):
        return None
    numbers: NDArray[np.float64] = mark.draw.args[0]
    middle, half = numbers[:2], numbers[2:] / 2
    edges: NDArray[np.float64] = np.concatenate([middle - half, middle + half])
    return edges


def edges_of_outline(mark: Mark) -> NDArray[np.float64] | None:
    if not (isinstance(mark.draw, partial) and mark.draw.func is _draw_corners):
        return None
    corners: NDArray[np.float64] = mark.draw.args[0]
    edges: NDArray[np.float64] = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return edges


def parse_words(words: list[str]) -> tuple[int, NDArray[np.float64]]:
    try:
        kind = float(words[0])
        numbers = np.array([float(word) for word in words[1:]])
    except ValueError:
        raise RegionsError(f"the line must hold numbers, not {quote(' '.join(words))}") from None
    if not (math.isfinite(kind) and kind >= 0 and kind % 1 == 0):
        raise RegionsError(f"the class must be a whole number from 0, not {quote(words[0])}")
    if not (np.abs(numbers) <= FAR).all():  # False for NaN
        raise RegionsError("the numbers must be fractions of the image's sides, 0 to 1; are they pixels?")
    return int(kind), numbers


def read_line(
    name: str, labels: tuple[str, ...], numbers: NDArray[np.float64], points: tuple[int, int] | None
) -> Iterator[Mark]:
    if points is not None:
        count, width = points
        if len(numbers) - BOX != count * width:
            raise RegionsError(f"the line has {len(numbers)} numbers, and kpt_shape requires {BOX + count * width}")
        for place, row in enumerate(numbers[BOX:].reshape(count, width).tolist(), start=1):
            if (width < 3 and (row[0] or row[1])) or (width == 3 and row[2] > 0):
                yield Mark(f"{name}, key point {place}", partial(_draw_point, row[0], row[1]), labels)
        numbers = numbers[:BOX]
    # In a prediction the last value is the probability, which makes the number of values odd.
    score = None
    if len(numbers) % 2 and len(numbers) > BOX:
        score, numbers = float(numbers[-1]), numbers[:-1]
        if not 0 <= score <= 1:
            raise RegionsError(f"the probability must lie between 0 and 1, not {score:g}")
    if len(numbers) == BOX:
        yield Mark(name, partial(_draw_box, numbers), labels, score=score)
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        yield Mark(name, partial(_draw_corners, numbers.reshape(-1, 2)), labels, score=score)
    else:
        raise RegionsError(
            f"the line has {len(numbers)} numbers after the class: 4 are a box, and 6 or more the corners of an outline"
        )


def _draw_point(x: float, y: float, canvas: Canvas) -> PlacedMark:
    return PlacedMark(Point(x * canvas.size[0], y * canvas.size[1]))


def _draw_box(numbers: NDArray[np.float64], canvas: Canvas) -> PlacedMark:
    x, y, width, height = (numbers * (*canvas.size, *canvas.size)).tolist()
    return PlacedMark(Box(x - width / 2, y - height / 2, width, height))


def _draw_corners(fractions: NDArray[np.float64], canvas: Canvas) -> PlacedMark:
    corners = fractions * canvas.size
    return PlacedMark((rotated_box(corners) if len(corners) * 2 == OBB else None) or Polygon(corners))


def rotated_box(corners: NDArray[np.float64]) -> Box | None:
    """Return the box with the given corners.

    Parameters
    ----------
    corners : ndarray, shape (4, 2)
        Corners (x, y) in order, clockwise or counter-clockwise, pixels.

    Returns
    -------
    Box or None
        None if the corners are not those of a rectangle.
    """
    first, second, third, last = corners
    along, down = second - first, last - first
    if along[0] * down[1] - along[1] * down[0] < 0:  # counter-clockwise
        along, down = down, along
    width, height = float(np.hypot(*along)), float(np.hypot(*down))
    off: Any = RIGHT_ANGLE_PX * max(1.0, width / 100, height / 100)
    if not width or not height or np.abs(first + along + down - third).max() > off:
        return None
    if abs(float(along @ down)) > off * max(width, height):
        return None
    rotation = math.degrees(math.atan2(along[1], along[0])) % 360.0
    if min(rotation % 90, 90 - rotation % 90) < 1e-3:
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return Box(float(first[0]), float(first[1]), width, height, rotation)
