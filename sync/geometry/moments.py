"""Second moments of masks, and ellipses with the same moments."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Ellipse, Mask

__all__ = ["PIXEL_VARIANCE", "moment_ellipse", "second_moments"]

PIXEL_VARIANCE = 1 / 12
"""Second moment of a uniform pixel about its centre, square pixels."""
PART_PIXELS = 2**20
"""Pixels of a mask that are summed at a time."""


def second_moments(mask: Mask, *, x: int = 0, y: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centroid and the covariance of a mask's pixels.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        With at least one pixel.
    x, y : int
        Column and row of its first pixel in the image.

    Returns
    -------
    centre : ndarray, shape (2,)
        Mean (x, y) of the pixels, in pixels of the image.
    covariance : ndarray, shape (2, 2)
        Covariance of x and y, square pixels. For a filled ellipse, the eigenvalues are a quarter of the squared semi-axes.
    """
    in_columns, in_rows = (np.count_nonzero(mask, axis=axis).astype(np.float64) for axis in (0, 1))
    area = in_rows.sum()
    columns, rows = np.arange(mask.shape[1], dtype=np.float64), np.arange(mask.shape[0], dtype=np.float64)
    middle_x, middle_y = columns @ in_columns / area, rows @ in_rows / area
    columns, rows = columns - middle_x, rows - middle_y
    step = max(1, PART_PIXELS // mask.shape[1])  # a product with a mask converts it to floats
    sums = np.concatenate([mask[start : start + step] @ columns for start in range(0, mask.shape[0], step)])
    xx, yy, cross = columns**2 @ in_columns / area, rows**2 @ in_rows / area, rows @ sums / area
    covariance = np.array([[xx + PIXEL_VARIANCE, cross], [cross, yy + PIXEL_VARIANCE]])
    return np.array([x + middle_x + 0.5, y + middle_y + 0.5]), covariance


def moment_ellipse(mask: Mask, *, x: int = 0, y: int = 0) -> Ellipse:
    """Return the ellipse with the centroid and the second moments of a mask.

    `radius_x` is the semi-major axis; `rotation` is its angle in degrees clockwise from the x axis, in [0, 180), as in Label
    Studio. The parameters are those of `second_moments`.
    """
    centre, ((xx, xy), (_, yy)) = second_moments(mask, x=x, y=y)
    mean, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return Ellipse(
        x=float(centre[0]),
        y=float(centre[1]),
        radius_x=2 * math.sqrt(mean + spread),
        radius_y=2 * math.sqrt(max(mean - spread, PIXEL_VARIANCE)),
        rotation=math.degrees(0.5 * math.atan2(2 * xy, xx - yy)) % 180,
    )
