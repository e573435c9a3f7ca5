"""Prompts, checked: what arrives from a browser becomes pixels of the image, or a sentence that says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sync.geometry.corners import box_edges
from sync.geometry.shapes import Box, Point, Size

__all__ = ["MAXIMUM_PROMPTS", "Pixel", "Window", "checked_boxes", "checked_points"]

MAXIMUM_PROMPTS = 1000
Pixel = tuple[int, int]
"""(row, column)."""
Window = tuple[slice, slice]
"""(rows, columns)."""


def checked_points(points: Sequence[tuple[Point, bool]], size: Size, *, others: int) -> dict[Pixel, bool]:
    """The pixels under points of an image of `size` (width, height), in order, each with whether its point is positive.

    Of several points on one pixel the last counts.

    Raises
    ------
    ValueError
        If a point lies outside the image or there are more than `MAXIMUM_PROMPTS` prompts, with `others` that are no points.
    """
    if len(points) + others > MAXIMUM_PROMPTS:
        raise ValueError(f"{len(points) + others} prompts are too many for one object: at most {MAXIMUM_PROMPTS} are taken")
    width, height = size
    pixels: dict[Pixel, bool] = {}
    for point, positive in points:
        if not (0 <= point.x <= width and 0 <= point.y <= height):  # also refuses NaN
            raise ValueError(f"the point ({point.x}, {point.y}) lies outside an image of {width}x{height} pixels")
        pixel = min(int(point.y), height - 1), min(int(point.x), width - 1)
        pixels.pop(pixel, None)
        pixels[pixel] = bool(positive)
    return pixels


def checked_boxes(boxes: Sequence[Box], size: Size) -> list[Window]:
    """The pixels that the boxes cover at least in part, cut at the image of `size` (width, height).

    Raises
    ------
    ValueError
        If a box is not finite, has no area, or lies outside the image.
    """
    width, height = size
    windows = []
    for box in boxes:
        if not all(math.isfinite(v) for v in (box.x, box.y, box.width, box.height, box.rotation)):
            raise ValueError(f"the box {box} has a number that is not finite")
        if box.width <= 0 or box.height <= 0:
            raise ValueError(f"the box at ({box.x}, {box.y}) has no area: it is {box.width} wide and {box.height} high")
        left, top, right, bottom = np.clip(box_edges([box])[0], 0, [width, height, width, height]).tolist()
        if right <= left or bottom <= top:
            raise ValueError(f"the box at ({box.x}, {box.y}) lies outside an image of {width}x{height} pixels")
        windows.append((slice(int(top), math.ceil(bottom)), slice(int(left), math.ceil(right))))
    return windows
