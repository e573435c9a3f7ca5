"""Cut-outs: real galaxies without sky and neighbours, which can be rotated, scaled and added to any scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.extraction.segment import segment
from backend.heads.extraction.source import ExtractionSettings
from backend.scenes.light import to_light
from backend.scenes.stamp import Stamp

__all__ = ["GalaxyCutout", "cut_out"]

EDGE_SHARE = 0.45
"""Distance from the outline (at about a sixth of the peak) at which the weight is 1/e, as a fraction of the radius."""
NATIVE_PSF_PX = 2.0
"""Approximate standard deviation of the point spread function of the outlined SDSS images."""
SMALLEST_SIDE_PX = 24


@dataclass(frozen=True, slots=True, eq=False)
class GalaxyCutout:
    """A galaxy cut out of a real image.

    Attributes
    ----------
    levels : tuple of ndarray of float32, shape (h, w, 3)
        Sky-subtracted light, at full size first, each further level at half the size of the one before.
    radius : float
        Radius of the circle with the area of the outline, pixels at full size.
    """

    levels: tuple[NDArray[np.float32], ...]
    radius: float

    def draw(self, rng: np.random.Generator, *, radius: float, psf: float) -> Stamp:
        """Rotate and mirror the galaxy at random, and scale it.

        Parameters
        ----------
        rng : Generator
        radius : float
            Radius of the circle with the area of the scaled outline, pixels.
        psf : float
            Standard deviation of the scene's point spread function, pixels. The scaled galaxy is blurred to it if it is
            sharper.
        """
        scale = radius / self.radius
        level = min(max(math.floor(-math.log2(scale)), 0), len(self.levels) - 1)
        source, remaining = self.levels[level], scale * 2**level
        angle, flip = rng.uniform(0, 2 * math.pi), rng.choice([-1, 1])
        half = math.ceil(max(source.shape[:2]) / 2 * remaining * 1.1)
        backward = (
            np.asarray([[math.cos(angle), math.sin(angle)], [-flip * math.sin(angle), flip * math.cos(angle)]]) / remaining
        )
        offset = (np.asarray(source.shape[:2]) - 1) / 2 - backward @ np.asarray([half, half])
        blur = math.sqrt(max(psf**2 - (NATIVE_PSF_PX * scale) ** 2, 0))
        light = np.empty((2 * half + 1, 2 * half + 1, 3), dtype=np.float32)
        for band in range(3):
            plane = ndimage.affine_transform(source[..., band], backward, offset, output_shape=light.shape[:2], order=1)
            light[..., band] = ndimage.gaussian_filter(plane, blur, truncate=3.0) if blur > 0.3 else plane
        return Stamp(light * np.float32(10 ** rng.uniform(-0.6, 0.15)), (float(half), float(half)))


def cut_out(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> GalaxyCutout:
    """Cut a galaxy out of an image.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3)
        Stretched (gamma-encoded) brightness, 0 to 1.
    mask : ndarray of bool, shape (height, width)
        Pixels inside the outline of the galaxy.

    Raises
    ------
    ValueError
        If the mask is empty or its shape differs from that of the image.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"a mask of {mask.shape[1]}x{mask.shape[0]} pixels does not fit an image of {image.shape[1]}x{image.shape[0]}"
        )
    if not mask.any():
        raise ValueError("a galaxy with an empty outline cannot be cut out")
    segments = segment(image, settings=ExtractionSettings(peak_sigma=5.0)).segments
    own_mask = np.isin(segments, np.unique(segments[mask])) & (segments > 0)
    light = to_light(image)
    sky = np.median(light[(segments == 0) & ~ndimage.binary_dilation(mask, iterations=10)], axis=0)
    radius = math.sqrt(mask.sum() / math.pi)
    outward = ndimage.distance_transform_edt(~mask)
    foreign = ndimage.binary_dilation((segments > 0) & ~own_mask, iterations=2) & ~mask
    weight = np.exp(-((outward / (EDGE_SHARE * radius)) ** 2)) * ndimage.gaussian_filter((~foreign).astype(np.float64), 1.0)
    weight = np.where(mask, 1, np.where(foreign, 0, weight)).astype(np.float32)
    window = ndimage.find_objects((weight > 0.02).astype(np.int8))[0]
    levels = [((light - sky.astype(np.float32)) * weight[..., None])[window]]
    while min(levels[-1].shape[:2]) >= 2 * SMALLEST_SIDE_PX:
        height, width = (length // 2 * 2 for length in levels[-1].shape[:2])
        levels.append(levels[-1][:height, :width].reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)))
    return GalaxyCutout(tuple(levels), radius)
