"""Footprints: the outline that source extraction would measure for a galaxy alone on this sky, without noise.

Predicted and extracted boxes therefore share one definition: the same smoothing, fraction of the peak (0.17) and threshold
above the noise, computed by the same code. Errors of the extraction that noise and neighbours cause are excluded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.outlines import outline
from backend.heads.extraction.segment import DETECTION_SIGMA
from backend.heads.extraction.sky import GREY_LEVEL
from backend.heads.extraction.source import ExtractionSettings
from backend.scenes.light import to_display
from sync.geometry.footprint import Footprint
from sync.images.background import median_and_spread

__all__ = ["footprint_of", "noise_of"]

SETTINGS = ExtractionSettings()
LEAST_SNR = 13.0
"""Smallest peak signal-to-noise ratio of a galaxy with a footprint; the untrained detector leaves out fainter sources, too."""


def visible(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the stretched brightness, shape (h, w), of `light`, shape (h, w, 3), on a dark sky, smoothed as in extraction."""
    smooth_light: NDArray[np.float32] = ndimage.gaussian_filter(
        to_display(light.mean(axis=2)), SETTINGS.smoothing_px, truncate=3.0
    )
    return smooth_light


def footprint_of(brightness: NDArray[np.float32], *, noise: float) -> Footprint | None:
    """Return the footprint of a galaxy, or None if it is too faint or too small.

    Parameters
    ----------
    brightness : ndarray, shape (h, w)
        Result of `visible` for the light of this galaxy alone.
    noise : float
        Noise of the smoothed sky, result of `noise_of`.
    """
    if brightness.size == 0 or brightness.max() < LEAST_SNR * noise:
        return None
    above = (brightness >= DETECTION_SIGMA * noise).astype(np.int32)
    crop, corner = outline(brightness, above, 1, isophote=SETTINGS.isophote)
    return Footprint(*corner, crop) if crop.sum() >= SETTINGS.minimum_area_px else None


def noise_of(image: NDArray[np.float32]) -> float:
    """Measure the noise of the smoothed brightness of an image that is mostly sky; at least a grey level, as in extraction."""
    smooth = ndimage.gaussian_filter(image.mean(axis=2, dtype=np.float32), SETTINGS.smoothing_px, truncate=3.0)
    return max(median_and_spread(smooth)[1], GREY_LEVEL)
