"""Pixels without a value: NaN, infinity and saturated cores; they are filled for the filters and are NaN in the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["FilledImage", "fill_missing"]

FILL_SIGMA_PX = 1.5
FEWEST_SATURATED, FAR_ABOVE_NOISE = 4, 50.0
"""A plateau of this many touching pixels at the maximum, this many noise deviations above the sky, is a saturated core."""


@dataclass(frozen=True, slots=True)
class FilledImage:
    """An image with a value in each pixel.

    Attributes
    ----------
    pixels : ndarray, shape (height, width)
        Missing pixels have the weighted mean of their neighbours, or the sky if these are missing, too.
    missing : ndarray of bool, shape (height, width)
        NaN, infinite and saturated pixels.
    saturated_px : int
        Number of saturated pixels.
    """

    pixels: NDArray[np.float64]
    missing: NDArray[np.bool_]
    saturated_px: int


def fill_missing(image: NDArray[np.floating], *, sky: float, noise: float, saturation: float | None) -> FilledImage:
    """Find and fill the missing pixels of an image.

    Parameters
    ----------
    image : ndarray, shape (height, width)
    sky, noise : float
        Level and standard deviation of the sky background.
    saturation : float or None
        Brightness from which pixels are saturated, if the header has it.
    """
    valid = np.isfinite(image)
    is_saturated = _find_saturated(np.where(valid, image, -np.inf), sky=sky, noise=noise, saturation=saturation)
    missing = ~valid | is_saturated
    if not missing.any():
        return FilledImage(image.astype(np.float64), missing, 0)
    weight = ndimage.gaussian_filter((~missing).astype(np.float64), FILL_SIGMA_PX)
    light = ndimage.gaussian_filter(np.where(missing, 0.0, image - sky), FILL_SIGMA_PX)
    image_without_gaps = np.where(missing, sky + np.where(weight > 0.05, light / np.maximum(weight, 0.05), 0.0), image)
    return FilledImage(image_without_gaps, missing, int(np.count_nonzero(is_saturated)))


def _find_saturated(image: NDArray[np.floating], *, sky: float, noise: float, saturation: float | None) -> NDArray[np.bool_]:
    top = float(image.max())
    if saturation is not None and np.isfinite(saturation) and saturation > sky:
        level = saturation
    elif top - sky > FAR_ABOVE_NOISE * noise:
        level = top
    else:
        return np.zeros(image.shape, dtype=bool)
    cores, count = ndimage.label(image >= level)
    if saturation is None:
        sizes = ndimage.sum_labels(np.ones_like(image), cores, range(1, count + 1))
        return np.isin(cores, 1 + np.flatnonzero(sizes >= FEWEST_SATURATED))
    return np.asarray(cores > 0)
