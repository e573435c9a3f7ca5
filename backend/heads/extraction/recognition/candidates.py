"""Candidates: every peak of an image that may be a source, down to four times the noise.

The limits are low enough that nearly all galaxies are among the candidates, with stars, fragments of galaxies and noise.
The noise is known to less than one grey level where the sky is not black: it mixes the grey levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.deblend import divide
from backend.heads.extraction.sky import GREY_LEVEL, empty_areas, level_beside, measure_sky, photon_noise
from backend.heads.extraction.source import RECOGNISED, ExtractionSettings

__all__ = ["SourceCandidates", "find_candidates"]

PIXEL_SIGMA, RISE_SIGMA = 3.0, 1.0
"""Limits of pixels and of the rise of a peak over a saddle, in units of the noise."""
FINEST_NOISE = 0.25 * GREY_LEVEL
"""Smallest noise of the smoothed image where the sky is not black."""
BLACK_SKY = 0.3
"""Share of black pixels from which the sky is black: its noise is then unknown and at least one grey level."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceCandidates:
    """The n candidates of an image, brightest first.

    Attributes
    ----------
    brightness : ndarray, shape (height, width)
        Smoothed, sky-subtracted mean of the bands.
    is_detected : ndarray of bool, shape (height, width)
        Pixels above the detection limit.
    segments : ndarray of int32, shape (height, width)
        0 for sky, otherwise the number of the candidate, from 1.
    noise : float
        Standard deviation of the sky in `brightness`.
    sky : ndarray, shape (height, width)
        Level that was subtracted.
    rows, columns : ndarray of int, shape (n,)
        Pixel of the peak of each candidate.
    """

    brightness: NDArray[np.float32]
    is_detected: NDArray[np.bool_]
    segments: NDArray[np.int32]
    noise: float
    sky: NDArray[np.float32]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def find_candidates(image: NDArray[np.float32], settings: ExtractionSettings = RECOGNISED) -> SourceCandidates:
    """Return the candidates of an image, shape (height, width, 3), finite values from 0 to 1."""
    grey = image.mean(axis=2, dtype=np.float32)
    empty_mask = empty_areas(grey)
    if empty_mask is not None:
        grey = np.where(empty_mask, level_beside(grey, empty_mask), grey)
    smooth = np.ascontiguousarray(ndimage.gaussian_filter(grey, settings.smoothing_px), dtype=np.float32)
    sky, noise = measure_sky(smooth, empty_mask)
    least_noise = GREY_LEVEL if (grey == 0).mean() > BLACK_SKY else FINEST_NOISE
    noise = max(noise, least_noise, photon_noise(grey, settings.smoothing_px))
    brightness = smooth - sky
    if empty_mask is not None:
        brightness[empty_mask] = 0
    is_detected = brightness >= PIXEL_SIGMA * noise
    segments = divide(
        brightness, is_detected, floor=settings.peak_sigma * noise, saddle=settings.saddle, rise=RISE_SIGMA * noise
    )
    rows, columns = _peaks(brightness, segments)
    return SourceCandidates(brightness, is_detected, segments, noise, sky, rows, columns)


def _peaks(brightness: NDArray[np.float32], segments: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return row and column of the brightest pixel of each segment."""
    count = int(segments.max(initial=0))
    peaks = ndimage.maximum_position(brightness, segments, np.arange(1, count + 1)) if count else []
    places = np.asarray(peaks, dtype=np.intp).reshape(-1, 2)
    return places[:, 0], places[:, 1]
