"""The prompt: validated clicks, boxes and a mask that select one object of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.segmentation.grid import Edges
from sync.geometry.corners import box_edges
from sync.geometry.shapes import Box, Mask, Point, Size

__all__ = ["MAXIMUM_PROMPTS", "Prompt", "edges_of_boxes"]

MAXIMUM_PROMPTS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Prompts for one object, in pixels of the image; `of` creates a prompt from drawn shapes.

    Attributes
    ----------
    points : ndarray of float64, shape (n, 2)
        Centre (x, y) of each clicked pixel, each pixel once, in the order of the clicks.
    positive : ndarray of bool, shape (n,)
        Whether the pixel belongs to the object.
    boxes : ndarray of float64, shape (m, 4)
        Left, top, right and bottom edges, along whole pixels, clipped to the image.
    mask : ndarray of bool, shape (height, width), or None
        A mask to refine.
    """

    points: NDArray[np.float64]
    positive: NDArray[np.bool_]
    boxes: NDArray[np.float64]
    mask: Mask | None = None

    @classmethod
    def of(
        cls,
        size: Size,
        *,
        points: Sequence[tuple[Point, bool]] = (),
        boxes: Sequence[Box] = (),
        mask: Mask | None = None,
    ) -> Self:
        """Create a validated prompt on an image.

        Parameters
        ----------
        size : (width, height)
            Size of the image, pixels.
        points : sequence of (Point, positive)
            Pixels of the image; of several points on one pixel, the last is used.
        boxes : sequence of Box
            A rotated box is replaced with its upright bounding box.
        mask : ndarray of bool, shape (height, width), optional
            A mask to refine.

        Raises
        ------
        ValueError
            If there are more than `MAXIMUM_PROMPTS` prompts, a point lies outside the image, a box is not finite, has no area
            or lies outside the image, or the mask has another size.
        """
        if len(points) + len(boxes) > MAXIMUM_PROMPTS:
            count = len(points) + len(boxes)
            raise ValueError(f"{count} prompts are too many for one object: at most {MAXIMUM_PROMPTS} are taken")
        width, height = size
        clicks: dict[tuple[float, float], bool] = {}
        for point, positive in points:
            if not (0 <= point.x <= width and 0 <= point.y <= height):  # also true for NaN
                raise ValueError(f"the point ({point.x}, {point.y}) lies outside an image of {width}x{height} pixels")
            pixel = min(int(point.x), width - 1) + 0.5, min(int(point.y), height - 1) + 0.5
            clicks.pop(pixel, None)
            clicks[pixel] = bool(positive)
        edges = edges_of_boxes(boxes, size)
        if mask is not None and mask.shape != (height, width):
            raise ValueError(f"a mask of {mask.shape[1]}x{mask.shape[0]} pixels does not fit an image of {width}x{height}")
        return cls(
            np.array(list(clicks), np.float64).reshape(-1, 2),
            np.array(list(clicks.values()), bool),
            np.array(edges, np.float64).reshape(-1, 4),
            mask,
        )

    def select(self, flags: NDArray[np.bool_]) -> Self:
        """Return the prompt with the points `flags` only, flags of shape (n,)."""
        return replace(self, points=self.points[flags], positive=self.positive[flags])

    def in_box(self, box: Sequence[float]) -> NDArray[np.bool_]:
        """Return whether each point lies in a box (left, top, right, bottom), shape (n,)."""
        left, top, right, bottom = box
        inside = (self.points >= (left, top)) & (self.points < (right, bottom))
        return np.asarray(inside.all(axis=1))


def edges_of_boxes(boxes: Sequence[Box], size: Size) -> list[Edges]:
    """Return the edges of boxes, extended to whole pixels and clipped to an image of `size` (width, height).

    Raises
    ------
    ValueError
        If a box is not finite, has no area, or lies outside the image.
    """
    width, height = size
    edges: list[Edges] = []
    for box in boxes:
        if not all(math.isfinite(v) for v in (box.x, box.y, box.width, box.height, box.rotation)):
            raise ValueError(f"the box {box} has a number that is not finite")
        if box.width <= 0 or box.height <= 0:
            raise ValueError(f"the box at ({box.x}, {box.y}) has no area: it is {box.width} wide and {box.height} high")
        left, top, right, bottom = np.clip(box_edges([box])[0], 0, [width, height, width, height]).tolist()
        if right <= left or bottom <= top:
            raise ValueError(f"the box at ({box.x}, {box.y}) lies outside an image of {width}x{height} pixels")
        edges.append((float(int(left)), float(int(top)), float(math.ceil(right)), float(math.ceil(bottom))))
    return edges
