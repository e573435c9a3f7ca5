"""Outlines for learned boxes: the detector predicts the box of an object, source extraction measures the outline in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.features import FEATURES
from backend.heads.extraction.source import Source
from sync.geometry.corners import box_edges
from sync.geometry.overlap import box_overlaps
from sync.geometry.shapes import Box, Ellipse, Size

__all__ = ["outline_boxes"]

SAME_SOURCE_ABOVE = 0.4
"""Smallest overlap between the box of a source and the learned box of the same object."""


def outline_boxes(edges: NDArray[np.float64], sources: Sequence[Source], *, size: Size) -> list[Source]:
    """Return a source for each box, with the outline of the extracted source of the largest overlap, or an ellipse.

    Parameters
    ----------
    edges : ndarray, shape (n, 4)
        Left, top, right, bottom, pixels, inside an image of `size` (width, height) and with positive sides.
    sources : sequence of Source
        Sources of the image by source extraction.

    Returns
    -------
    list of Source
        One for each box, with that box. A source with an outline keeps its light and its angle; its ellipse is scaled to the
        size of the box.
    """
    boxes = [Box(left, top, right - left, bottom - top) for left, top, right, bottom in edges.tolist()]
    if not boxes or not sources:
        return [_plain(box, size) for box in boxes]
    overlaps = box_overlaps(edges, box_edges([source.box for source in sources]))
    nearest = overlaps.argmax(axis=1)
    return [
        _resize(sources[index], box) if overlaps[row, index] >= SAME_SOURCE_ABOVE else _plain(box, size)
        for row, (box, index) in enumerate(zip(boxes, nearest.tolist(), strict=True))
    ]


def _resize(source: Source, box: Box) -> Source:
    scale = math.sqrt(box.width * box.height / (source.box.width * source.box.height))
    ellipse = source.ellipse
    return replace(
        source, box=box, ellipse=replace(ellipse, radius_x=ellipse.radius_x * scale, radius_y=ellipse.radius_y * scale)
    )


def _plain(box: Box, size: Size) -> Source:
    """Return a source whose outline is the ellipse inscribed in its box."""
    ellipse = Ellipse(box.x + box.width / 2, box.y + box.height / 2, box.width / 2, box.height / 2)
    left, top = min(int(box.x), size[0] - 1), min(int(box.y), size[1] - 1)
    right = max(left + 1, min(math.ceil(box.x + box.width), size[0]))
    bottom = max(top + 1, min(math.ceil(box.y + box.height), size[1]))
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    crop = ((columns - ellipse.x) / ellipse.radius_x) ** 2 + ((rows - ellipse.y) / ellipse.radius_y) ** 2 <= 1
    if not crop.any():
        crop[crop.shape[0] // 2, crop.shape[1] // 2] = True
    features = np.zeros(len(FEATURES), np.float32)
    return Source(0, box, ellipse, crop, (left, top), flux=0.0, peak=0.0, snr=0.0, features=features)
