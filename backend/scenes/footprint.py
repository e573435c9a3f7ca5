"""Footprints: the outline that source extraction would draw around a galaxy if it stood alone on this sky, without noise.

So a learned box means what an extracted one means: the same smoothing, the same fraction of the peak (0.17), the same least
height above the noise, by the same code. The extraction's own errors, which noise and neighbours cause, are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.outlines import outline
from backend.heads.extraction.segment import DETECTION_SIGMA
from backend.heads.extraction.sky import GREY_LEVEL
from backend.heads.extraction.source import ExtractionSettings
from backend.scenes.light import shown
from sync.geometry.footprint import Footprint
from sync.images.background import median_and_spread

__all__ = ["footprint_of", "noise_of"]

SETTINGS = ExtractionSettings()
LEAST_SNR = 13.0
"""Fainter galaxies are laid down, but nobody is asked to find them: the untrained detector leaves them out as well."""


def visible(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """How bright `light`, shape (h, w, 3), appears on a dark sky, smoothed as the extraction does: shape (h, w)."""
    smoothed: NDArray[np.float32] = ndimage.gaussian_filter(shown(light.mean(axis=2)), SETTINGS.smoothing_px, truncate=3.0)
    return smoothed


def footprint_of(brightness: NDArray[np.float32], *, noise: float) -> Footprint | None:
    """The outline of a galaxy, or None where it is too faint or too small to be asked for.

    Parameters
    ----------
    brightness : ndarray, shape (h, w)
        What `visible` gives for the galaxy's own light.
    noise : float
        Of the smoothed sky, as `noise_of` measures it.
    """
    if brightness.size == 0 or brightness.max() < LEAST_SNR * noise:
        return None
    above = (brightness >= DETECTION_SIGMA * noise).astype(np.int32)
    crop, corner = outline(brightness, above, 1, isophote=SETTINGS.isophote)
    return Footprint(*corner, crop) if crop.sum() >= SETTINGS.minimum_area_px else None


def noise_of(picture: NDArray[np.float32]) -> float:
    """Noise of the smoothed brightness of a picture that is nearly all sky; at least a grey level, as in the extraction."""
    smooth = ndimage.gaussian_filter(picture.mean(axis=2, dtype=np.float32), SETTINGS.smoothing_px, truncate=3.0)
    return max(median_and_spread(smooth)[1], GREY_LEVEL)
