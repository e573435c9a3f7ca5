"""Overlap of boxes, masks and footprints, as intersection over union (IoU)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.geometry.corners import upright_box
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Mask

__all__ = ["box_overlap", "box_overlaps", "footprint_overlap", "mask_overlap"]

SMALLEST_UNION = 1e-9
"""Lower bound of the denominator, square pixels: the overlap of two boxes of zero area is 0."""


def box_overlaps(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pairwise IoU of two arrays of boxes.

    Parameters
    ----------
    first, second : ndarray, shapes (n, 4) and (m, 4)
        Left, top, right and bottom edges, as `box_edges` returns them.

    Returns
    -------
    ndarray, shape (n, m)
        IoU of each pair, from 0 to 1.
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = (high - low).clip(0).prod(axis=2)
    areas = [(edges[:, 2:] - edges[:, :2]).prod(axis=1) for edges in (first, second)]
    overlaps: NDArray[np.float64] = intersection / np.maximum(areas[0][:, None] + areas[1][None] - intersection, SMALLEST_UNION)
    return overlaps


def box_overlap(first: Box, second: Box) -> float:
    """Return the IoU of two boxes; a rotated box is replaced by its axis-aligned bounding box."""
    first, second = upright_box(first), upright_box(second)
    width = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    height = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    intersection = max(width, 0.0) * max(height, 0.0)
    return intersection / max(first.width * first.height + second.width * second.height - intersection, SMALLEST_UNION)


def mask_overlap(first: Mask, second: Mask) -> float:
    """Return the IoU of two masks of the same shape; 0 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def footprint_overlap(first: Footprint, second: Footprint) -> float:
    """Return the IoU of two footprints on the same image."""
    intersection = first.count_shared(second)
    return intersection / (first.area + second.area - intersection)
