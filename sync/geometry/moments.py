"""Second moments of masks, and the ellipses that have them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Ellipse, Mask

__all__ = ["PIXEL_VARIANCE", "moment_ellipse", "second_moments"]

PIXEL_VARIANCE = 1 / 12
"""Second moment of a pixel about its middle, square pixels: the light of a pixel is spread over all of it."""


def second_moments(mask: Mask, *, x: int = 0, y: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        With at least one pixel.
    x, y : int
        Column and row of its first pixel in the image.

    Returns
    -------
    centre : ndarray, shape (2,)
        Mean (x, y) of the pixels, in the image.
    covariance : ndarray, shape (2, 2)
        Of x and y, square pixels. A filled ellipse has a quarter of its squared semi-axes as eigenvalues.
    """
    rows, columns = np.nonzero(mask)
    middle_x, middle_y = columns.mean(), rows.mean()
    cross = ((columns - middle_x) * (rows - middle_y)).mean()
    covariance = np.array([[columns.var() + PIXEL_VARIANCE, cross], [cross, rows.var() + PIXEL_VARIANCE]])
    return np.array([x + middle_x + 0.5, y + middle_y + 0.5]), covariance


def moment_ellipse(mask: Mask, *, x: int = 0, y: int = 0) -> Ellipse:
    """Return the ellipse with the centre and the second moments of a mask: the mask itself if that is an ellipse.

    The long radius comes first; its angle is in degrees clockwise from the x axis, 0 to 180, as Label Studio counts. Parameters
    are those of `second_moments`.
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
