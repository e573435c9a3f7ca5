"""COCO's compressed run-length encoding of a footprint, computed from its bounding box instead of the whole image.

pycocotools' `encode` visits each pixel of the image: 16 million of a frame, for a galaxy of hundreds. This module finds runs in
the bounding box of the object and shifts them to their positions in the image; the bytes are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Size

__all__ = ["as_rle", "empty_rle"]


def as_rle(footprint: Footprint, size: Size) -> dict[str, Any]:
    """Return the compressed RLE of a footprint.

    Parameters
    ----------
    footprint : Footprint
    size : (width, height)
        Size of the image, pixels.

    Returns
    -------
    dict
        ``size``, [height, width], and ``counts``, as text.
    """
    width, height = size
    columns = np.pad(footprint.pixels.T, ((0, 0), (1, 1)))  # COCO counts down the columns
    column, row = np.nonzero(columns[:, 1:] != columns[:, :-1])
    # Alternating starts and ends of runs. A run continues in the next column where the object fills a whole column.
    turns = (column + footprint.x) * height + row + footprint.y
    goes_on = np.flatnonzero(turns[1:-1:2] == turns[2::2]) * 2 + 1
    turns = np.delete(turns, np.concatenate([goes_on, goes_on + 1]))
    counts = np.diff(turns, prepend=0, append=width * height)
    return _compress(counts[:-1] if counts[-1] == 0 else counts, size)


def empty_rle(size: Size) -> dict[str, Any]:
    """Return the RLE of an empty mask of an image of `size` (width, height)."""
    return _compress(np.array([size[0] * size[1]]), size)


def _compress(counts: Any, size: Size) -> dict[str, Any]:
    width, height = size
    rle = coco_mask.frPyObjects({"counts": counts.tolist(), "size": [height, width]}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}
