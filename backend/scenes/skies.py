"""Backgrounds of scenes, either synthetic or survey frames from which the sources are removed.

The sources of a frame are real but unlabelled: kept, each galaxy would count as a false positive of the detector; labelled as
galaxies, many would be wrong, since many are stars. Therefore every source is replaced with sky from elsewhere in the frame,
except unambiguous stars (point-like, round and bright), which remain as negative examples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.extract import extract
from backend.heads.extraction.source import ExtractionSettings, Source
from backend.scenes.light import SOFTENING, to_light

__all__ = ["FrameSky", "SkySource", "SyntheticSky", "clean"]

FAINT_SETTINGS = ExtractionSettings(peak_sigma=4.0, minimum_area_px=4)
STAR_PEAK, STAR_ROUNDNESS = 0.3, 0.85
STAR_AREA_PX = 18
"""Largest number of pixels above half the peak, in light, of a star: point sources of the SDSS frames have 9 to 14, resolved
galaxies more."""
HALO_PX = 5
BRIGHT_SIGMA = 40.0
LARGEST_REMOVED = 0.25
TRIES = 20
FURTHEST_PX = 300


class SkySource(Protocol):
    """A source of patches of sky without galaxies."""

    def draw(self, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
        """Return the light of a random patch, shape (side, side, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class SyntheticSky:
    """Sky with survey-like noise: spatially correlated, with different levels of the bands and a slope of the background."""

    def draw(self, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
        """Return the light of a random patch, shape (side, side, 3)."""
        amplitude = 10 ** rng.uniform(-2.3, -1.5)
        correlation = rng.uniform(0, 1.3) if rng.random() < 0.7 else 0.0
        level = rng.uniform(-0.3, 1.5) * amplitude
        ramp = np.linspace(-1, 1, side, dtype=np.float32)
        slope_x, slope_y = rng.normal(0, 0.15 * amplitude, 2).astype(np.float32)
        sky = np.empty((side, side, 3), dtype=np.float32)
        for band in range(3):
            noise = rng.standard_normal((side, side), dtype=np.float32)
            if correlation > 0.2:
                noise = ndimage.gaussian_filter(noise, correlation, truncate=3.0)
                noise /= noise.std()
            sky[..., band] = noise * np.float32(amplitude * rng.uniform(0.6, 1.4)) + np.float32(level * rng.uniform(0.5, 1.5))
        sky += (slope_x * ramp[None] + slope_y * ramp[:, None])[..., None]
        return sky


@dataclass(frozen=True, slots=True, eq=False)
class FrameSky:
    """A survey frame from which the galaxies are removed.

    Attributes
    ----------
    image : ndarray of uint8, shape (height, width, 3)
    removed_pixels : ndarray of bool, shape (height, width)
        Pixels that were replaced with sky from elsewhere in the frame.
    """

    image: NDArray[np.uint8]
    removed_pixels: NDArray[np.bool_]

    def draw(self, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
        """Return the light of a random patch, rotated and mirrored at random, shape (side, side, 3).

        A frame smaller than the patch is padded with its reflection.
        """
        height, width = self.removed_pixels.shape
        best_place: tuple[float, int, int] | None = None
        for _ in range(TRIES):
            top, left = (int(rng.integers(0, max(length - side, 0) + 1)) for length in (height, width))
            share = float(self.removed_pixels[top : top + side, left : left + side].mean())
            best_place = min(best_place or (2.0, 0, 0), (share, top, left))
            if share <= LARGEST_REMOVED:
                break
        assert best_place is not None
        _, top, left = best_place
        patch = self.image[top : top + side, left : left + side]
        missing_range = [(0, side - length) for length in patch.shape[:2]]
        patch = np.pad(patch, [*missing_range, (0, 0)], mode="symmetric") if any(after for _, after in missing_range) else patch
        patch = np.rot90(patch, int(rng.integers(4)))
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
        return to_light(np.ascontiguousarray(patch, dtype=np.float32) / np.float32(255))


def clean(frame: NDArray[np.uint8], *, seed: int = 0) -> FrameSky:
    """Remove all sources except unambiguous stars from a frame, shape (height, width, 3).

    Parameters
    ----------
    frame : ndarray of uint8, shape (height, width, 3)
    seed : int
        Seed of the choice of the replacing pixels.
    """
    image = frame.astype(np.float32) / np.float32(255)
    extraction = extract(image, settings=FAINT_SETTINGS)
    light = np.sinh(image.mean(axis=2) * np.float32(SOFTENING)) / np.float32(SOFTENING)
    segments = extraction.segmentation.segments
    removable = np.ones(int(segments.max()) + 1, dtype=bool)
    removable[[0, *(source.number for source in extraction.sources if _is_star(source, light))]] = False
    stars = _dilate((segments > 0) & ~removable[segments], HALO_PX)
    # The haloes of the brightest sources extend far beyond their segments.
    bright = removable[segments] & (extraction.segmentation.brightness > BRIGHT_SIGMA * extraction.segmentation.noise)
    removed_mask = _dilate(removable[segments], HALO_PX) | _dilate(bright, 3 * HALO_PX)
    removed_mask &= removable[segments] | ~stars  # a truncated star is worse than the remaining halo of a neighbour
    return FrameSky(_fill(frame, removed_mask, segments > 0, np.random.default_rng(seed)), removed_mask)


def _dilate(region: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Return `region`, dilated by `by` pixels with a square structuring element."""
    return np.asarray(ndimage.maximum_filter(region.view(np.uint8), size=2 * by + 1).view(np.bool_))


def _is_star(source: Source, light: NDArray[np.float32]) -> bool:
    """Return whether a source is an unambiguous star: bright, round, and not wider than the point spread function."""
    (x, y), (height, width) = source.corner, source.crop.shape
    source_light = light[y : y + height, x : x + width] * source.crop
    pointlike = int((source_light > source_light.max() / 2).sum()) <= STAR_AREA_PX
    return pointlike and source.peak > STAR_PEAK and source.ellipse.radius_y > STAR_ROUNDNESS * source.ellipse.radius_x


def _fill(
    frame: NDArray[np.uint8], removed_mask: NDArray[np.bool_], sources: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Replace the removed pixels of `frame` with sky at a common offset, which keeps the spatial correlation of the noise."""
    clear = ~(removed_mask | sources)
    rows, columns = np.nonzero(removed_mask)
    result = frame.copy()
    for _ in range(2 * TRIES):
        if not len(rows):
            return result
        down, right = (int(step) for step in rng.integers(-FURTHEST_PX, FURTHEST_PX + 1, 2))
        source = (rows + down) % frame.shape[0], (columns + right) % frame.shape[1]
        clear_pixels = clear[source]
        result[rows[clear_pixels], columns[clear_pixels]] = frame[source[0][clear_pixels], source[1][clear_pixels]]
        rows, columns = rows[~clear_pixels], columns[~clear_pixels]
    result[rows, columns] = np.median(frame[clear], axis=0).astype(np.uint8) if clear.any() else 0
    return result
