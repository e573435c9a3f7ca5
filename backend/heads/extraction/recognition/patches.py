"""Patches: a candidate in two windows around its peak, of which the wide one has coarser pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from backend.heads.extraction.recognition.candidates import SourceCandidates

__all__ = ["CHANNELS", "LEVELS", "SIDE_PX", "WIDE", "StretchedPlanes"]

SIDE_PX = 32
WIDE = 4
"""Side of a pixel of the wide window, pixels of the image."""
CHANNELS = 10
"""Three bands, the own segment and all detected pixels, of both windows."""
NOISE_PER_SMOOTH_NOISE = 3.5
"""Ratio of the white noise of a pixel to that of the smoothed image."""
LEVELS = 20.0
"""Steps of a patch per unit of the logarithmic brightness; patches are stored as bytes."""
HALF_PX, REACH_PX = SIDE_PX // 2, SIDE_PX // 2 * WIDE


@dataclass(frozen=True, slots=True, eq=False)
class StretchedPlanes:
    """Bands in units of the noise, with a margin of zeros, from which patches are cut.

    Attributes
    ----------
    planes : ndarray of int8, shape (4, height + 2 * REACH_PX, width + 2 * REACH_PX)
        Three bands with a logarithmic stretch, in steps of 1 / `LEVELS`, and the mask of detected pixels, 0 or `LEVELS`.
    segments : ndarray of int32, shape (height + 2 * REACH_PX, width + 2 * REACH_PX)
        Number of the candidate, from 1.
    places : ndarray of int, shape (n, 2)
        Row and column of the peak of each candidate.
    """

    planes: NDArray[np.int8]
    segments: NDArray[np.int32]
    places: NDArray[np.intp]

    @classmethod
    def of(cls, image: NDArray[np.float32], candidates: SourceCandidates) -> Self:
        """Return the planes of an image, shape (height, width, 3), finite values from 0 to 1, and of its candidates."""
        unit = np.float32(2 * candidates.noise * NOISE_PER_SMOOTH_NOISE)
        planes = np.empty((4, *image.shape[:2]), np.int8)
        sky_pixels = ~candidates.is_detected
        for band in range(3):
            above = image[..., band] - candidates.sky
            level = np.median(above[sky_pixels]) if sky_pixels.any() else np.float32(0)
            planes[band] = np.clip(np.rint(np.arcsinh((above - level) / unit) * np.float32(LEVELS)), -127, 127)
        planes[3] = candidates.is_detected * np.int8(LEVELS)
        around = [(REACH_PX, REACH_PX), (REACH_PX, REACH_PX)]
        places = np.stack([candidates.rows, candidates.columns], axis=1)
        return cls(np.pad(planes, [(0, 0), *around]), np.pad(candidates.segments, around), places)

    def cut(self, numbers: NDArray[np.intp]) -> NDArray[np.int8]:
        """Return the patches of candidates by their indices from 0, shape (m, CHANNELS, SIDE_PX, SIDE_PX).

        The peak is at the index (SIDE_PX // 2, SIDE_PX // 2) of the near window. The wide window has the mean of every second
        row and column of a pixel, rounded towards 0.
        """
        patches = np.zeros((len(numbers), CHANNELS, SIDE_PX, SIDE_PX), np.int8)
        for patch, number in zip(patches, numbers.tolist(), strict=True):
            row, column = (self.places[number] + REACH_PX).tolist()
            near = np.s_[row - HALF_PX : row + HALF_PX, column - HALF_PX : column + HALF_PX]
            patch[:3], patch[4] = self.planes[:3, *near], self.planes[3, *near]
            patch[3] = (self.segments[near] == number + 1) * np.int8(LEVELS)
            wide = np.s_[row - REACH_PX : row + REACH_PX : 2, column - REACH_PX : column + REACH_PX : 2]
            coarse = _coarsen(self.planes[:, *wide])
            patch[5:8], patch[9] = coarse[:3], coarse[3]
            patch[8] = _coarsen((self.segments[wide] == number + 1)[None] * np.int8(LEVELS))[0]
        return patches


def _coarsen(planes: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the means of 2 x 2 pixels, shape (k, SIDE_PX, SIDE_PX)."""
    means: NDArray[np.float64] = planes.reshape(-1, SIDE_PX, WIDE // 2, SIDE_PX, WIDE // 2).mean(axis=(2, 4))
    return means
