"""The sky of an image: its level, its noise, and the areas without measurements.

Images are display images, for example 8-bit JPEG. The noise is measured on the smoothed image, because it is correlated over
many pixels, and is at least one grey level.
"""

from __future__ import annotations

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["GREY_LEVEL", "empty_areas", "level_beside", "measure_sky", "photon_noise", "subtract_sky"]

GREY_LEVEL = 1 / 255
SKY_MESH_PX = 256
SINGLE_MESH_BELOW_PX = 640
EMPTY_SHARE = 0.01
"""Smallest fraction of an image that is an area without measurements; smaller black areas count as noise."""
HARD_EDGE = 4 * GREY_LEVEL
SOLID = 0.7
"""Smallest mean fraction of non-black pixels around non-black pixels: single photons on black have no common edge."""
FEWEST_PHOTONS = 16
SPARSE = 0.3
"""Largest fraction of pixels with a photon in an image of single photons."""
DARKER_THAN_EDGE = 0.25
"""Smallest fraction of non-black pixels that are darker than the edge of an empty area; it is one half in a frame of sky."""


def empty_areas(grey: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return the mask of pixels without measurements, shape (height, width), or None if there are none.

    Such an area is black, with a hard edge to a sky that is not black. A black, clipped sky has no such edge.
    """
    black = grey == 0
    if black.mean() < EMPTY_SHARE:
        return None
    empty_mask = ndimage.binary_opening(black, np.ones((5, 5)), border_value=0)
    if empty_mask.mean() < EMPTY_SHARE:
        return None
    is_lit = ~black
    edge = grey[_border(empty_mask) & is_lit]
    if edge.size == 0 or (edge <= HARD_EDGE).mean() > 0.1:
        return None
    is_solid = ndimage.uniform_filter(is_lit.astype(np.float32), 3, mode="nearest")[is_lit].mean() > SOLID
    # The sky of a frame is as bright at the edge as elsewhere; a galaxy on black is faintest at its edge.
    level = np.median(edge)
    is_sky = (grey[is_lit] < level).mean() > DARKER_THAN_EDGE
    is_sky |= (
        is_lit.mean() > DARKER_THAN_EDGE < (grey[is_lit] <= level).mean()
    )  # with few grey levels, many are equal to `level`
    return np.asarray(empty_mask, dtype=np.bool_) if is_solid and is_sky else None


def photon_noise(grey: NDArray[np.float32], smoothing_px: float) -> float:
    """Return the noise of single photons on an empty sky, after smoothing; 0 for all other images.

    The sigma clipping of the noise estimate rejects such photons as sources.
    """
    is_lit = grey > np.median(grey)
    if not 0 < is_lit.mean() < SPARSE:
        return 0.0
    numbers, count = ndimage.label(is_lit, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    is_small = sizes <= 2
    is_small[0] = False
    if is_small.sum() < FEWEST_PHOTONS or is_small.sum() < 0.7 * count:
        return 0.0
    alone = is_small[numbers]
    density = float(alone.sum()) / grey.size
    height = float(np.median(grey[alone])) - float(np.median(grey))
    return height * float(np.sqrt(density / (4 * np.pi))) / smoothing_px


def _border(empty_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    wide_mask: NDArray[np.bool_] = ndimage.binary_dilation(empty_mask, np.ones((3, 3)), iterations=2)
    return wide_mask & ~empty_mask


def level_beside(grey: NDArray[np.float32], empty_mask: NDArray[np.bool_]) -> np.float32:
    """Return the median brightness at the border of empty areas."""
    return np.float32(np.median(grey[_border(empty_mask) & (grey > 0)]))


def subtract_sky(smooth: NDArray[np.float32], empty_mask: NDArray[np.bool_] | None) -> tuple[NDArray[np.float32], float]:
    """Subtract the sky from a smoothed image, shape (height, width); return the result and the noise of the sky.

    A cut-out has a single sky level, since a mesh finer than its galaxy would subtract the galaxy.

    Parameters
    ----------
    smooth : ndarray, shape (height, width)
    empty_mask : ndarray of bool, shape (height, width), or None
        Pixels without measurements, from `empty_areas`; 0 in the result.
    """
    sky, noise = measure_sky(smooth, empty_mask)
    above = np.ascontiguousarray(smooth - sky)
    if empty_mask is not None:
        above[empty_mask] = 0
    return above, max(noise, GREY_LEVEL)


def measure_sky(smooth: NDArray[np.float32], empty_mask: NDArray[np.bool_] | None) -> tuple[NDArray[np.float32], float]:
    """Return the level of the sky, shape (height, width), and its noise; see `subtract_sky` for the parameters.

    The noise is 0 if the sky has none that can be measured.
    """
    height, width = smooth.shape
    mesh = SKY_MESH_PX if max(height, width) > SINGLE_MESH_BELOW_PX else max(height, width)
    if empty_mask is None:
        background = sep.Background(smooth, bw=mesh, bh=mesh, fw=3, fh=3)
        return background.back(dtype=np.float32), _noise_of(background)
    # sep does not measure the sky of a mesh that is mostly masked. Therefore all measured pixels form one mesh.
    level_samples = np.ascontiguousarray(smooth[~empty_mask][None])
    background = sep.Background(level_samples, bw=level_samples.size, bh=1, fw=1, fh=1)
    return np.full(smooth.shape, background.globalback, np.float32), _noise_of(background)


def _noise_of(background: sep.Background) -> float:
    """Return the noise; for a sky without noise, sep reports 1, which is impossible in [0, 1]: the result is then 0."""
    rms = float(background.globalrms)
    return rms if rms < 1 else 0.0
