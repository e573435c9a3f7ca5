"""Detection of prompts on empty sky, by the light under a click or in a box, in its window and in the whole image.

A prompt on empty sky gets no mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.segmentation.grid import Edges
from backend.heads.segmentation.grid_frame import GridFrame
from backend.heads.segmentation.isophotes import Isophotes, Spot
from backend.heads.segmentation.window_cache import WindowReader
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.segmentation.windows import nearest_window, window_around
from backend.lvm.tiles import Tile
from sync.images.background import SIGMA_PER_DEVIATION, median_and_spread

__all__ = ["CLEAR_SNR", "box_holds_object", "click_is_on_light", "light_under", "peak_over_surroundings"]

BRIGHT_SNR, CLEAR_SNR = 3.0, 5.0
"""A click is on empty sky if the smoothed light is below the first value, in units of the noise of a pixel, in the window that
outlines the object, and below the second value, in units of the scatter of the smoothed sky, in the whole image. An object that
is too faint in the whole image must reach the second value in its own window. Both were chosen on the validation set, where all
of 98 clicks on galaxies and 2 of 134 on sky are above one of them; `docs/masks.md` has the fractions on other images."""
BOX_EXCESS, BOX_SNR = 2.5, 6.0
"""A box is on empty sky if its middle exceeds the light around it by less than the first value, in units of the scatter there,
and its peak is below the second value in the whole image. The second value is larger than that of clicks, since the brightest
of many points exceeds a single point. On 14 crops of SDSS frames and the Hubble Deep Field, all of 299 boxes of extracted
sources and 4 of 168 boxes on sky are above one of them."""


@dataclass(frozen=True, slots=True)
class BoxAreas:
    """Areas inside and around a box whose light is compared.

    Attributes
    ----------
    inner : float
        Half-axes of the ellipse in the box, in units of half the sides of the box.
    ring : (float, float)
        Inner and outer half-axes of the ring around the box, in units of half the sides of the box.
    least_ring_points : int
        Smallest number of grid points in the ring; with fewer points, the box counts as bright.
    least_half_points : float
        Smallest half side of a box, points of the grid: a smaller box may contain no centre of a point.
    least_scatter : float
        Lower limit of the scatter, in units of the noise of a pixel: a sky that is clipped at black has a smaller one.
    """

    inner: float = 0.6
    ring: tuple[float, float] = (1.1, 1.8)
    least_ring_points: int = 20
    least_half_points: float = 0.75
    least_scatter: float = 0.2


AREAS = BoxAreas()
SURROUNDINGS_POINTS = 2
"""Width of the border around a mask whose light is compared with the peak, points of the grid."""


@torch.no_grad()
def box_holds_object(reader: WindowReader, image: WindowedImage, box: Edges) -> bool:
    """Return whether a box contains an object: its middle exceeds the surroundings, or its peak is clear in the whole image."""
    window = window_around(box, image.size, sides=image.sides, shown_px=image.shown_px)
    frame = GridFrame.of(window, reader.network.config)
    isophotes = reader.read(image, window)[1].isophotes
    edges: Edges = (*frame.boxes_to_grid([box])[0].tolist(),)
    if excess(isophotes, edges, frame.extent) >= BOX_EXCESS:
        return True
    return _contrast_in_whole(reader, image, frame.to_image(isophotes.peak_in_box(edges))) >= BOX_SNR


def click_is_on_light(reader: WindowReader, image: WindowedImage, window: Tile, point: Spot) -> bool:
    """Return whether a click is on an object: the light is bright in a window, or clear in the whole image."""
    if light_under(reader, image, window, point) >= BRIGHT_SNR:
        return True
    return _contrast_in_whole(reader, image, point) >= CLEAR_SNR


def light_under(reader: WindowReader, image: WindowedImage, window: Tile, point: Spot) -> float:
    """Return the light at a point of the image in a window, in units of the noise of a pixel."""
    frame = GridFrame.of(window, reader.network.config)
    return reader.read(image, window)[1].isophotes.light_at(frame.spot(point))


def peak_over_surroundings(reader: WindowReader, image: WindowedImage, mask: WindowMask, point: Spot) -> float:
    """Return the ratio of an object's peak to the light around its mask; 0 if the peak is outside the mask."""
    isophotes = reader.read(image, mask.window)[1].isophotes
    peak = isophotes.peak_of(GridFrame.of(mask.window, reader.network.config).spot(point))
    inside = (mask.logits > 0).numpy()
    if not inside[int(peak[1]), int(peak[0])]:
        return 0.0
    around = ndimage.binary_dilation(inside, iterations=SURROUNDINGS_POINTS) & ~inside
    return isophotes.light_at(peak) / max(float(np.median(isophotes.light[around])), 1.0)


def contrast(isophotes: Isophotes, spot: Spot, shown_size: tuple[int, int]) -> float:
    """Return the light at a spot above the median of the `shown_size` part (width, height), in units of the scatter below."""
    visible = isophotes.light[: shown_size[1], : shown_size[0]]
    middle = float(np.median(visible))
    scatter = float(np.median(middle - visible[visible <= middle])) * SIGMA_PER_DEVIATION
    return (isophotes.light_at(spot) - middle) / max(scatter, isophotes.settings.faintest_snr)


def excess(isophotes: Isophotes, box: Edges, shown_size: tuple[float, float]) -> float:
    """Return the excess of the light in the middle of a box over the light around it, in units of the scatter there.

    Infinite if too few points of the `shown_size` part (width, height) of the grid lie in or around the box.
    """
    left, top, right, bottom = box
    middles = np.arange(len(isophotes.light)) + 0.5
    across = (middles - (left + right) / 2) / max((right - left) / 2, AREAS.least_half_points)
    down = (middles - (top + bottom) / 2) / max((bottom - top) / 2, AREAS.least_half_points)
    distance: NDArray[np.float64] = np.hypot(across[None], down[:, None])
    distance[middles > shown_size[1]] = distance[:, middles > shown_size[0]] = np.inf
    inside = isophotes.light[distance < AREAS.inner]
    around = isophotes.light[(distance > AREAS.ring[0]) & (distance < AREAS.ring[1])]
    if not inside.size or around.size < AREAS.least_ring_points:
        return np.inf
    level, scatter = median_and_spread(around)
    return (float(inside.mean()) - level) / max(scatter, AREAS.least_scatter)


def _contrast_in_whole(reader: WindowReader, image: WindowedImage, point: Spot) -> float:
    """Return the contrast at a point of the image, in the window of the whole image."""
    window = nearest_window(image.sides[0], point, image.size, shown_px=image.shown_px)
    frame = GridFrame.of(window, reader.network.config)
    width, height = frame.extent
    isophotes = reader.read(image, window)[1].isophotes
    return contrast(isophotes, frame.spot(point), (max(int(width), 1), max(int(height), 1)))
