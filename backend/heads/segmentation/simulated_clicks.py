"""Simulated clicks: the first click of an annotator on an object, and further clicks on the errors of a mask.

As usual in interactive segmentation (Sofiiuk et al. 2022, ICIP; Kirillov et al. 2023), the next click is placed in the middle
of the largest missing or excess region, with a random displacement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sync.geometry.shapes import Mask

__all__ = ["Click", "first_click", "next_click"]

Click = tuple[float, float, bool]
"""x, y in pixels (the centre of the first pixel is 0.5), and whether the click is positive."""


def first_click(mask: Mask, rng: np.random.Generator, *, jitter: float) -> Click:
    """Return a click on an object: the pixel of the object that is nearest to its randomly displaced centroid.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Not empty.
    rng : Generator
    jitter : float
        Standard deviation of the displacement, as a fraction of the radius of a circle with the area of the mask.
    """
    rows, columns = np.nonzero(mask)
    radius = float(np.sqrt(len(rows) / np.pi))
    y, x = np.asarray([rows.mean(), columns.mean()]) + rng.normal(0, jitter * radius, 2)
    nearest = int(np.hypot(rows - y, columns - x).argmin())
    return float(columns[nearest]) + 0.5, float(rows[nearest]) + 0.5, True


def next_click(mask: Mask, target: Mask, rng: np.random.Generator, *, jitter: float) -> Click | None:
    """Return a click on the largest error of `mask`, positive on a missing region and negative on an excess region.

    Parameters
    ----------
    mask, target : ndarray of bool, shape (height, width)
        Predicted and true mask.
    rng : Generator
    jitter : float
        Standard deviation of the displacement, as a fraction of the radius of a circle with the area of the region. The click
        remains on the region.

    Returns
    -------
    Click or None
        None if there is no error.
    """
    parts, count = ndimage.label(mask != target)
    if count == 0:
        return None
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    part = parts == sizes.argmax()
    window = ndimage.find_objects(part.astype(np.int8))[0]
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(part[window], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    rows, columns = np.nonzero(part[window])
    radius = float(np.sqrt(len(rows) / np.pi))
    y, x = np.asarray([row, column]) + rng.normal(0, jitter * radius, 2)
    nearest = int(np.hypot(rows - y, columns - x).argmin())
    top, left = window[0].start, window[1].start
    row, column = int(rows[nearest]) + top, int(columns[nearest]) + left
    return column + 0.5, row + 0.5, bool(target[row, column])
