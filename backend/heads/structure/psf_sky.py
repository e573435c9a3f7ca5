"""Sky in the pixels of a PSF: a star that was cut out of an image whose sky was not subtracted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_sky"]

LEAST_PEDESTAL, LEAST_FALL = 0.05, 1.2
"""A PSF has a sky if its border, extended over all pixels, holds this part of the light, and brightness falls by less than this
factor over the outer quarter. 106 PSFs of HST and HSC have at most 0.031 and at least 1.49; a Moffat profile that is cut close
has 0.36 and 1.43."""
FEWEST_SIDE_PX = 9
"""Smallest side of a PSF whose border is examined."""


def find_sky(pixels: NDArray[np.float64]) -> float | None:
    """Return the sky per pixel of a PSF whose outer pixels are flat and bright; None for one without sky.

    Parameters
    ----------
    pixels : ndarray, shape (height, width)
        A PSF with a positive sum. One of fewer than `FEWEST_SIDE_PX` pixels a side is all core, and has no sky.
    """
    height, width = pixels.shape
    if min(height, width) < FEWEST_SIDE_PX:
        return None
    rows, columns = np.arange(height), np.arange(width)
    from_border = np.minimum.outer(np.minimum(rows, rows[::-1]), np.minimum(columns, columns[::-1]))
    border = float(np.median(pixels[from_border == 0]))
    inner = float(np.median(pixels[from_border == min(height, width) // 8]))
    is_sky = border * pixels.size > LEAST_PEDESTAL * float(pixels.sum()) and inner < LEAST_FALL * border
    return border if is_sky else None
