"""Simulated clicks: the first click of an annotator on an object, and the next ones on the errors of a mask.

As in the literature on interactive segmentation (Sofiiuk et al. 2022, ICIP; Kirillov et al. 2023): the next click goes to the
middle of the largest missing or excess region, with a random displacement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sync.geometry.shapes import Mask

__all__ = ["Click", "first_click", "next_click"]

Click = tuple[float, float, bool]
"""x, y in pixels (the middle of the first pixel is 0.5), and whether it is positive."""


def first_click(mask: Mask, rng: np.random.Generator, *, jitter: float) -> Click:
    """Return a click on an object: its centroid, displaced at random, or the nearest pixel of the object.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Not empty.
    jitter : float
        Standard deviation of the displacement, as a share of the radius of a circle with the mask's area.
    """
    rows, columns = np.nonzero(mask)
    radius = float(np.sqrt(len(rows) / np.pi))
    y, x = np.asarray([rows.mean(), columns.mean()]) + rng.normal(0, jitter * radius, 2)
    nearest = int(np.hypot(rows - y, columns - x).argmin())
    return float(columns[nearest]) + 0.5, float(rows[nearest]) + 0.5, True


def next_click(mask: Mask, target: Mask, rng: np.random.Generator, *, jitter: float) -> Click | None:
    """Return a click on the largest error of `mask`: positive where a part is missing, negative where it is in excess.

    Parameters
    ----------
    mask, target : ndarray of bool, shape (height, width)
    jitter : float
        As for `first_click`, of the part; the click stays on it.

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
