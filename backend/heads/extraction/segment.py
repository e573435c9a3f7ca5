"""Segmentation: divides an image into the segments of its stars and galaxies, from which outlines are measured.

The image is smoothed first, and the noise is measured on the smoothed image (see `sky`).
docs/scenes.md has a comparison with photutils.

References
----------
Bertin & Arnouts (1996), A&AS 117, 393; Barbary (2016), JOSS 1(6), 58.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.deblend import divide
from backend.heads.extraction.sky import empty_areas, level_beside, photon_noise, subtract_sky
from backend.heads.extraction.source import ExtractionSettings

__all__ = ["DETECTION_SIGMA", "SegmentedImage", "check_shape", "finite", "segment"]

DETECTION_SIGMA = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedImage:
    """The brightness of an image and its segments.

    Attributes
    ----------
    brightness : ndarray, shape (height, width)
        Smoothed, sky-subtracted mean of the bands.
    segments : ndarray of int32, shape (height, width)
        0 for sky, otherwise the number of the source; a segment is larger than the outline of its source.
    noise : float
        Standard deviation of the sky in `brightness`, at least one grey level.
    """

    brightness: NDArray[np.float32]
    segments: NDArray[np.int32]
    noise: float


def segment(image: NDArray[np.float32], *, settings: ExtractionSettings) -> SegmentedImage:
    """Divide `image` into the segments of its sources, without outlines.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3)
        Display brightness, 0 to 1; NaN and negative infinity become 0, positive infinity 1.
    settings : ExtractionSettings
        The defaults suit survey cut-outs and frames.

    Raises
    ------
    ValueError
        If the image has another shape.
    """
    check_shape(image)
    grey = finite(image).mean(axis=2, dtype=np.float32)
    empty_mask = empty_areas(grey)
    if empty_mask is not None:
        grey = np.where(empty_mask, level_beside(grey, empty_mask), grey)
    smooth = ndimage.gaussian_filter(grey, settings.smoothing_px)
    brightness, noise = subtract_sky(np.ascontiguousarray(smooth, dtype=np.float32), empty_mask)
    noise = max(noise, photon_noise(grey, settings.smoothing_px))
    segments = divide(
        brightness,
        brightness >= DETECTION_SIGMA * noise,
        floor=settings.peak_sigma * noise,
        saddle=settings.saddle,
        rise=max(settings.peak_sigma - DETECTION_SIGMA, DETECTION_SIGMA) * noise,  # same height above a halo as above the sky
    )
    return SegmentedImage(brightness, segments, noise)


def check_shape(image: NDArray[np.float32]) -> None:
    """Raise ValueError unless the image has the shape (height, width, 3), with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"an image has the shape (height, width, 3), not {image.shape}")


def finite(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image with finite values: NaN and negative infinity become 0, positive infinity 1."""
    return image if np.isfinite(image).all() else np.nan_to_num(image, nan=0.0, posinf=1.0, neginf=0.0)
