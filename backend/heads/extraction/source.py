"""A source (one star or galaxy, with box, ellipse, outline and catalogue features), and the settings of source extraction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Box, Ellipse

__all__ = ["RECOGNISED", "ExtractionSettings", "Source"]


@dataclass(frozen=True, slots=True)
class ExtractionSettings:
    """Detection limits of sources, and the level of their outlines.

    Attributes
    ----------
    peak_sigma : float
        Smallest peak of a source above the sky, in units of the noise of the smoothed image.
    minimum_area_px : int
        Smallest area of an outline, pixels.
    isophote : float
        The outline is the isophote at this fraction of the smoothed peak. 0.17 had the best mean overlap with 40 human outlines
        of SDSS galaxies; values from 0.15 to 0.2 were within 0.02 of it.
    smoothing_px : float
        Standard deviation of the Gaussian smoothing kernel, pixels.
    saddle : float
        Two peaks are two sources if the saddle between them is below this fraction of the lower peak.
    recognises : bool
        Whether a network removes fragments of galaxies and noise, and predicts which sources are galaxies
        (`backend.heads.extraction.recognition`). It was trained on the sources of `RECOGNISED`.
    """

    peak_sigma: float = 8.0
    minimum_area_px: int = 12
    isophote: float = 0.17
    smoothing_px: float = 1.5
    saddle: float = 0.5
    recognises: bool = False

    def __post_init__(self) -> None:
        if not (self.peak_sigma > 0 and self.minimum_area_px > 0 and self.smoothing_px > 0):
            raise ValueError(f"peak_sigma, minimum_area_px and smoothing_px must be positive, not {self}")
        if not (0 < self.isophote < 1 and 0 < self.saddle < 1):
            raise ValueError(f"isophote and saddle must lie between 0 and 1, not {self}")


RECOGNISED = ExtractionSettings(peak_sigma=4.0, minimum_area_px=5, smoothing_px=1.0, saddle=0.95, recognises=True)
"""Limits so low that nearly all galaxies with a signal-to-noise ratio of 10 are found, and many stars and fragments."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One star or galaxy, in pixels of the image; the image's top-left corner is (0, 0).

    Attributes
    ----------
    number : int
        Value of its pixels in `Segmentation.segments`.
    box, ellipse : Box, Ellipse
        Bounding box of the outline, and the ellipse with its second moments, whose area equals that of an elliptical outline.
    crop : ndarray of bool, shape (h, w)
        Pixels inside the outline, cropped to the bounding box.
    corner : (x, y)
        Position of the first pixel of the crop in the image.
    flux, peak : float
        Sum and maximum of the sky-subtracted smoothed brightness within the outline.
    snr : float
        `peak` divided by the noise of the smoothed image.
    features : ndarray, shape (len(FEATURES),)
        Catalogue features, with the names in `backend.heads.extraction.features.FEATURES`.
    galaxy_probability : float
        Probability that the source is a galaxy; NaN without recognition.
    """

    number: int
    box: Box
    ellipse: Ellipse
    crop: NDArray[np.bool_]
    corner: tuple[int, int]
    flux: float
    peak: float
    snr: float
    features: NDArray[np.float32]
    galaxy_probability: float = math.nan

    @property
    def area(self) -> int:
        """Number of pixels inside the outline."""
        return int(self.crop.sum())

    @property
    def is_measured(self) -> bool:
        """Whether source extraction measured the outline; other boxes have an ellipse instead."""
        return self.snr > 0

    def full_mask(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask of the outline in an image of `size` (width, height): shape (height, width)."""
        mask = np.zeros((size[1], size[0]), dtype=bool)
        (x, y), (height, width) = self.corner, self.crop.shape
        mask[y : y + height, x : x + width] = self.crop
        return mask
