"""From a cut-out to what the fit needs: valid pixels, the noise, a window around the galaxy, and a first guess of its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from backend.heads.structure.measurement import Cutout
from backend.heads.structure.parameters import logit_of_index
from backend.heads.structure.psf import Psf, PsfError, gaussian_psf, require_fit
from sync.errors.images import ImageError
from sync.images.background import clipped_background, sorted_sample

__all__ = ["CutoutError", "Prepared", "prepare"]

FEWEST_PIXELS = 9
LEAST_SIGNAL_TO_NOISE = 3.0
PLATEAU_PX = 4
"""Fewest touching pixels with exactly the largest value that are a saturated core."""
WINDOW_FACTOR = 2.5
WINDOW_MARGIN_PX = 12
LARGEST_WINDOW_PX = 800
"""Bounds time and memory: a fit takes seconds and half a gigabyte at this size."""
FEWEST_SKY_PIXELS = 60
NEIGHBOUR_SIGMA = 4.0
NEIGHBOUR_MARGIN_PX = 4
START_INDEX = 1.5
PIXEL_RESPONSE_FWHM = 0.7


class CutoutError(ImageError):
    """A cut-out cannot be measured; the message is one sentence with the reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A galaxy in a square window, ready for the fit.

    Attributes
    ----------
    image : ndarray, shape (side, side)
        In units of the noise of the sky; 0 where invalid.
    weight : ndarray, shape (side, side)
        Inverse variance in the same unit; 0 where a pixel is left out.
    object_mask : ndarray of bool, shape (side, side)
    psf : Psf
    level, noise : float
        First guess of the sky, and its standard deviation, in the unit of the image.
    origin : (int, int)
        Place (x, y) of the window's first pixel in the cut-out; may be negative.
    start : ndarray, shape (8,)
        First guess of the parameters, in the window and in units of the noise.
    signal_to_noise : float
        Of the pixels of the mask.
    """

    image: NDArray[np.float32]
    weight: NDArray[np.float32]
    object_mask: NDArray[np.bool_]
    psf: Psf
    level: float
    noise: float
    origin: tuple[int, int]
    start: NDArray[np.float64]
    signal_to_noise: float


def prepare(cutout: Cutout) -> Prepared:
    """Check a cut-out and prepare it.

    Raises
    ------
    CutoutError
        If it cannot be measured.
    """
    image, mask = np.asarray(cutout.image, np.float64), np.asarray(cutout.object_mask, bool)
    if image.ndim != 2 or mask.shape != image.shape or cutout.neighbour_mask.shape != image.shape:
        raise CutoutError(f"the image {image.shape} and the masks {mask.shape}, {cutout.neighbour_mask.shape} differ in shape")
    psf = cutout.psf if cutout.psf is not None else gaussian_psf(PIXEL_RESPONSE_FWHM, source="none")
    try:
        require_fit(psf, image.shape)
    except PsfError as error:
        raise CutoutError(str(error)) from error
    # The light of a neighbour reaches beyond its mask.
    neighbours = ndimage.binary_dilation(cutout.neighbour_mask, iterations=NEIGHBOUR_MARGIN_PX) & ~mask
    valid = np.isfinite(image) & ~cutout.neighbour_mask & ~neighbours
    if mask.sum() < FEWEST_PIXELS:
        raise CutoutError(f"the mask of the galaxy has {mask.sum()} pixels, and at least {FEWEST_PIXELS} are needed")
    if not valid.any():
        raise CutoutError("the image has no valid pixel outside its neighbours")
    if np.ptp(image[valid]) == 0:
        raise CutoutError(f"the image has the same value, {image[valid][0]:.6g}, in all valid pixels")
    is_saturated = _find_saturated(image, valid, cutout.saturation)
    valid &= ~is_saturated
    if (mask & valid).sum() < max(FEWEST_PIXELS, mask.sum() / 3):
        raise CutoutError(
            f"only {(mask & valid).sum()} of {mask.sum()} pixels of the galaxy are usable; others have no data, are saturated "
            "or belong to neighbours"
        )
    level, noise = _sky(image, valid, mask, cutout.noise_sigma)
    valid &= ~_unlisted_neighbours(image - level, valid, mask, noise)
    window = _window(mask, psf)
    if window.side > LARGEST_WINDOW_PX:
        raise CutoutError(
            f"the galaxy needs a window of {window.side} pixels, and the fit takes at most {LARGEST_WINDOW_PX}: "
            "measure it on an image that is averaged over squares of pixels"
        )
    cut = _cut(np.where(valid, (image - level) / noise, 0), window)
    usable, inside = _cut(valid, window), _cut(mask, window)
    variance = np.ones_like(cut)
    if cutout.gain is not None and cutout.gain > 0:
        variance += ndimage.gaussian_filter(cut, 1.0).clip(0) / (cutout.gain * noise)
    weight = np.where(usable, 1 / variance, 0)
    signal = float(cut[inside & usable].sum()) / math.sqrt(float(variance[inside & usable].sum()))
    if signal < LEAST_SIGNAL_TO_NOISE:
        raise CutoutError(
            f"the galaxy has no significant light in its mask: its signal-to-noise ratio is {signal:.1f}, and the fit needs "
            f"{LEAST_SIGNAL_TO_NOISE:.0f}"
        )
    return Prepared(
        cut.astype(np.float32),
        weight.astype(np.float32),
        inside,
        psf,
        level,
        noise,
        (window.x, window.y),
        _first_guess(cut, usable & inside, psf),
        signal,
    )


def _find_saturated(image: NDArray[np.float64], valid: NDArray[np.bool_], saturation: float | None) -> NDArray[np.bool_]:
    """Return the mask of saturated pixels: above the limit, or a plateau of touching pixels that all have the largest value."""
    highest = float(image[valid].max())
    bright = valid & (image >= highest)
    numbers, _ = ndimage.label(bright)
    if np.bincount(numbers.ravel())[1:].max() < PLATEAU_PX:
        bright[:] = False
    if saturation is not None:
        bright |= valid & (image >= saturation)
    # A saturated pixel spills charge over its neighbours.
    return np.asarray(ndimage.binary_dilation(bright), dtype=np.bool_) if bright.any() else bright


def _sky(
    image: NDArray[np.float64], valid: NDArray[np.bool_], mask: NDArray[np.bool_], noise: float | None
) -> tuple[float, float]:
    """Return the level and noise of the sky beside the galaxy, or in the whole image where the mask leaves few pixels."""
    beside = valid & ~ndimage.binary_dilation(mask, iterations=3)
    sky = clipped_background(sorted_sample(image[beside if beside.sum() >= FEWEST_SKY_PIXELS else valid]))
    if noise is not None and math.isfinite(noise) and noise > 0:
        return sky.level, float(noise)
    if not sky.noise > 0:
        raise CutoutError("the sky of the image has no noise, and none is given: errors cannot be computed")
    return sky.level, sky.noise


def _unlisted_neighbours(
    above: NDArray[np.float64], valid: NDArray[np.bool_], mask: NDArray[np.bool_], noise: float
) -> NDArray[np.bool_]:
    """Return the mask of sources whose peak is outside the galaxy's mask: a project does not outline all faint neighbours."""
    pixels = np.ascontiguousarray(np.where(valid, above, 0), dtype=np.float32)
    try:
        sources, segments = sep.extract(pixels, NEIGHBOUR_SIGMA, err=noise, mask=~valid, minarea=5, segmentation_map=True)
    except Exception:  # sep raises a plain Exception where too many pixels are above the threshold; then no neighbour is found
        return np.zeros_like(valid)
    outside = np.array([not mask[int(row["ypeak"]), int(row["xpeak"])] for row in sources], bool)
    others = np.concatenate(([False], outside))[segments] & ~mask
    return np.asarray(
        ndimage.binary_dilation(others, iterations=NEIGHBOUR_MARGIN_PX) & ~mask if others.any() else others, dtype=np.bool_
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """A square of `side` pixels whose first pixel is at (x, y)."""

    x: int
    y: int
    side: int


def _window(mask: NDArray[np.bool_], psf: Psf) -> _Window:
    """Return a window around the mask that contains sky; a multiple of 16 pixels, so that galaxies share a window's size."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    need = WINDOW_FACTOR * extent + 2 * WINDOW_MARGIN_PX + 2 * psf.fwhm_px
    height, width = mask.shape
    x, y = (int(columns[0]) + int(columns[-1])) // 2, (int(rows[0]) + int(rows[-1])) // 2
    reach = 2 * max(x + 1, width - x, y + 1, height - y)
    side = 16 * math.ceil(max(min(need, reach), 32) / 16)
    return _Window(x - side // 2, y - side // 2, side)


def _cut(pixels: NDArray[Any], window: _Window) -> NDArray[Any]:
    """Cut out a window; 0 outside the image."""
    height, width = pixels.shape
    cut = np.zeros((window.side, window.side), pixels.dtype)
    x0, y0 = max(window.x, 0), max(window.y, 0)
    x1, y1 = min(window.x + window.side, width), min(window.y + window.side, height)
    cut[y0 - window.y : y1 - window.y, x0 - window.x : x1 - window.x] = pixels[y0:y1, x0:x1]
    return cut


def _first_guess(image: NDArray[np.float64], inside: NDArray[np.bool_], psf: Psf) -> NDArray[np.float64]:
    """Guess the parameters from the moments of the light in the mask."""
    light = np.where(inside, image, 0).clip(0)
    total = max(float(light.sum()), 1e-6)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    centre_x, centre_y = float((light * x).sum() / total), float((light * y).sum() / total)
    dx, dy = x - centre_x, y - centre_y
    xx, yy, xy = (float((light * product).sum() / total) for product in (dx * dx, dy * dy, dx * dy))
    distance = np.hypot(dx, dy)[inside]
    order = np.argsort(distance)
    half = float(distance[order][np.searchsorted(np.cumsum(light[inside][order]), total / 2)])
    blur = psf.fwhm_px / 2.355
    radius = math.sqrt(max(half**2 - blur**2, (0.3 * half) ** 2, 0.25))
    xx, yy = max(xx - blur**2, 0.2 * xx, 0.1), max(yy - blur**2, 0.2 * yy, 0.1)
    elongation = min(math.hypot(xx - yy, 2 * xy) / (xx + yy), 0.9)
    size, angle = math.atanh(elongation) / 2, math.atan2(2 * xy, xx - yy)
    return np.array(
        [
            centre_x,
            centre_y,
            math.log(radius * 1.1),
            size * math.cos(angle),
            size * math.sin(angle),
            logit_of_index(START_INDEX),
            1.2 * total,
            0.0,
        ]
    )
