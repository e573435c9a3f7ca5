"""Corners of boxes and ellipses, and axis-aligned bounding boxes of shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Ellipse, Polygon

__all__ = ["ELLIPSE_CORNERS", "box_around", "box_corners", "box_edges", "ellipse_box", "ellipse_corners", "upright_box"]

ELLIPSE_CORNERS = 128
"""With 128 corners, the polygon of a circle of radius 500 pixels deviates from the circle by at most 0.15 pixels."""


def box_corners(box: Box) -> Polygon:
    """Return the four corners of a box, after its rotation about the first corner."""
    angle = np.radians(box.rotation)
    along, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    steps = np.array([[0, 0], [box.width, 0], [box.width, box.height], [0, box.height]])
    return Polygon(np.array([box.x, box.y]) + steps[:, :1] * along + steps[:, 1:] * down)


def box_edges(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """Return the left, top, right and bottom edges of boxes, shape (n, 4), pixels; `upright_box` bounds rotated boxes."""
    around = [upright_box(box) for box in boxes]
    edges = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in around]
    return np.array(edges, dtype=np.float64).reshape(-1, 4)


def upright_box(box: Box) -> Box:
    """Return the axis-aligned bounding box of a rotated box; an unrotated box is returned unchanged."""
    return box_around(box_corners(box).points) if box.rotation else box


def box_around(points: NDArray[np.float64]) -> Box:
    """Return the axis-aligned bounding box of points (x, y), shape (n, 2), n at least 1."""
    (left, top), (right, low) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Box(left, top, right - left, low - top)


def ellipse_corners(ellipse: Ellipse) -> Polygon:
    """Return the polygon of `ELLIPSE_CORNERS` corners that approximates an ellipse."""
    phase = np.arange(ELLIPSE_CORNERS) * (2 * np.pi / ELLIPSE_CORNERS)
    along, across = ellipse.radius_x * np.cos(phase), ellipse.radius_y * np.sin(phase)
    cosine, sine = np.cos(np.radians(ellipse.rotation)), np.sin(np.radians(ellipse.rotation))
    return Polygon(np.stack([ellipse.x + along * cosine - across * sine, ellipse.y + along * sine + across * cosine], axis=1))


def ellipse_box(ellipse: Ellipse) -> Box:
    """Return the axis-aligned bounding box of an ellipse."""
    cosine, sine = np.cos(np.radians(ellipse.rotation)), np.sin(np.radians(ellipse.rotation))
    half_width = float(np.hypot(ellipse.radius_x * cosine, ellipse.radius_y * sine))
    half_height = float(np.hypot(ellipse.radius_x * sine, ellipse.radius_y * cosine))
    return Box(ellipse.x - half_width, ellipse.y - half_height, 2 * half_width, 2 * half_height)
