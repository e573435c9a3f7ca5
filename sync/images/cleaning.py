"""Removal of padding, sentinel values, hot pixels and background gradients before an image is stretched.

The parameters of a stretch are measured on the sky. Padding in half of a frame would be measured as the sky, and bad pixels of
1e30 would compress all other values. An ordinary frame is returned unchanged, as the same array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.images.background import SIGMA_PER_DEVIATION, Sample, median, quantile, row_medians, sorted_sample

__all__ = ["clean", "clean_with_sample"]

Plane = NDArray[np.floating]
Line = NDArray[np.float64]

TIES_SAMPLE = 20_000
"""Largest number of pixels of the sample in which equal values are counted."""
FEWEST_TIES = 0.001
"""Smallest fraction of pixels with exactly the same value for which the value may be a sentinel."""
MOST_SENTINELS = 4
"""Largest number of candidate values; a file has padding and possibly a value for bad pixels."""
FAR = 10.0
"""Smallest distance of a sentinel from all other values, in units of their spread."""
ABSURD = 1e9
"""Ratio to the brightness of the other pixels above which a value cannot be light."""
BLOCK_SHARE = 0.05
"""Smallest fraction of the pixels for padding that lies among the values of the sky or is brighter than all others."""
CONTINUOUS = 0.5
"""Fraction of distinct values in a sample above which the values are continuous, so that equal ones are not due to counts."""
FEWEST_HOT, HOT_SHARE = 8, 5e-4
"""Smallest number and fraction of hot pixels; fewer do not change the percentiles of a stretch."""
HOT_NOISE, HOT_RATIO = 30.0, 20.0
"""Smallest brightness of a hot pixel above the sky, relative to the 95th percentile, and to this or its brightest neighbour."""
GRID = 16
"""Blocks per side of the grid on which a gradient is measured."""
SLOPE_SIGMA = 4.0
"""Smallest change of a gradient over the frame, in units of the noise."""
SLOPE_SCATTER, SLOPE_PERCENTILE = 0.1, 85
"""Largest deviation from the gradient, relative to its change, at this percentile of the blocks; excludes galaxies at edges."""


def clean(band: Plane) -> Plane:
    """Return a band without pixels that distort a stretch.

    Parameters
    ----------
    band : ndarray, shape (height, width)
        Linear brightness; NaN and infinity mark missing pixels.

    Returns
    -------
    ndarray, shape (height, width)
        `band` itself for an ordinary frame. Otherwise a copy in which padding and sentinels are NaN, numerous isolated hot
        pixels have the median of their neighbours, and a gradient of the sky is subtracted.
    """
    return clean_with_sample(band)[0]


def clean_with_sample(band: Plane) -> tuple[Plane, Sample]:
    """Return the result of `clean` and its `sorted_sample`, which takes most of the time."""
    valid_pixels = _remove_sentinels(band)
    sample = sorted_sample(valid_pixels)
    cleaned_band = _remove_slope(_remove_hot_pixels(valid_pixels, sample))
    return cleaned_band, sample if cleaned_band is valid_pixels else sorted_sample(cleaned_band)


def _remove_sentinels(band: Plane) -> Plane:
    for _ in range(MOST_SENTINELS):
        value = _sentinel(band)
        if value is None:
            break
        band = np.where(band == value, np.nan, band)
    return band


def _sentinel(band: Plane) -> float | None:
    """Return a value that marks pixels without a measurement, or None if there is none."""
    flat = band.reshape(-1)
    sample = flat[:: -(-flat.size // TIES_SAMPLE)]
    sample = np.sort(sample[np.isfinite(sample)])
    if sample.size < GRID:
        return None
    starts = np.flatnonzero(np.concatenate([[True], sample[1:] != sample[:-1]]))
    counts = np.diff(np.append(starts, sample.size))
    frequent_values = np.flatnonzero(counts >= max(FEWEST_TIES * sample.size, 3))
    for place in frequent_values[np.argsort(-counts[frequent_values])][:MOST_SENTINELS]:
        value, start, count = float(sample[starts[place]]), starts[place], counts[place]
        other_values = np.concatenate([sample[:start], sample[start + count :]])
        levels = np.delete(sample[starts], place)
        if other_values.size >= GRID and _is_sentinel(band, value, count / sample.size, other_values, levels):
            return value
    return None


def _is_sentinel(band: Plane, value: float, share: float, other_values: Plane, levels: Plane) -> bool:
    """Return whether `value` is outside the distribution of `other_values`, sorted, with distinct `levels`."""
    if len(levels) < 2:
        return False
    low, middle, high = (float(other_values[int(part * (other_values.size - 1))]) for part in (0.01, 0.5, 0.99))
    step = float(np.median(np.diff(levels.astype(np.float64))))  # step of integer counts
    spread = max(middle - low, step, float(np.finfo(np.float32).tiny))
    if value < low - FAR * spread:
        return True
    if value > high + FAR * max(high - low, spread):
        # Saturated stars are bright too, but lie among bright pixels, cover less of the frame and are less bright.
        is_absurd = value > ABSURD * max(abs(high), spread)
        return is_absurd or (share >= BLOCK_SHARE and not _lies_in_light(band, value, middle, spread))
    # A negative value among counts, such as -1, is one step below their smallest.
    is_negative = value < 0 <= float(other_values[0])
    is_possible = is_negative or len(levels) > CONTINUOUS * other_values.size
    return share >= BLOCK_SHARE and is_possible and _is_block(band, value)


def _is_block(band: Plane, value: float) -> bool:
    """Return whether most pixels with a value have neighbours of the same value."""
    from scipy import ndimage  # imported on use here and below: few frames need it, and `inspect` starts faster

    alike = band == value
    return bool(ndimage.uniform_filter(alike.astype(np.float32), 3, mode="nearest")[alike].mean() > 0.85)


def _lies_in_light(band: Plane, value: float, sky: float, spread: float) -> bool:
    from scipy import ndimage

    alike = band == value
    around = band[ndimage.binary_dilation(alike, np.ones((3, 3))) & ~alike & np.isfinite(band)]
    return bool(around.size and np.median(around) > sky + FAR * spread)


def _remove_hot_pixels(band: Plane, sample: Sample) -> Plane:
    if min(band.shape) < 3 or not sample.size:
        return band
    sky = median(sample)
    noise = quantile(sample, 0.95) - sky
    brighter = sample.size - np.searchsorted(sample, sky + HOT_NOISE * noise, "right")
    if noise <= 0 or brighter < HOT_SHARE * sample.size:
        return band
    from scipy import ndimage

    filled_band = np.where(np.isfinite(band), band, sky)
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    highest = ndimage.maximum_filter(filled_band, footprint=ring)
    # Adjacent hot pixels are not detected; among very many, the second-brightest neighbour would have to be compared.
    hot = (filled_band - sky > HOT_RATIO * np.maximum(highest - sky, noise)) & (filled_band - sky > HOT_NOISE * noise)
    if hot.sum() < max(FEWEST_HOT, HOT_SHARE * band.size):
        return band
    return np.where(hot, ndimage.median_filter(filled_band, footprint=ring), band).astype(band.dtype)


def _remove_slope(band: Plane) -> Plane:
    """Subtract a gradient of the sky that increases in one direction and is constant in the other."""
    height, width = band.shape
    if min(height, width) < 2 * GRID:
        return band
    rows, columns = height // GRID, width // GRID
    step = max(1, min(rows, columns) // 8)
    blocks = band[: rows * GRID, : columns * GRID].reshape(GRID, rows, GRID, columns)[:, ::step, :, ::step]
    blocks = np.moveaxis(blocks, 2, 1).reshape(GRID, GRID, -1).astype(np.float64)
    valid = np.isfinite(blocks).mean(axis=-1) > 0.5
    if valid.mean() < 0.3:
        return band
    blocks = blocks[valid]
    blocks[~np.isfinite(blocks)] = np.nan
    levels = row_medians(blocks)
    noise = float(np.median(SIGMA_PER_DEVIATION * row_medians(np.abs(blocks - levels[:, None]))))
    if np.ptp(np.percentile(levels, (5, 95))) < SLOPE_SIGMA / 2 * noise or not noise:
        return band
    return _subtract_slope(band, levels, valid, noise)


def _subtract_slope(band: Plane, levels: NDArray[np.float64], valid: NDArray[np.bool_], noise: float) -> Plane:
    height, width = band.shape
    y, x = (index[valid].astype(np.float64) for index in np.mgrid[:GRID, :GRID])
    design = np.stack([x, y, np.ones_like(x)], axis=1)
    is_fitted = np.ones(len(levels), dtype=bool)
    for _ in range(4):  # excludes blocks with stars and galaxies
        plane, *_ = np.linalg.lstsq(design[is_fitted], levels[is_fitted], rcond=None)
        away = np.abs(levels - design @ plane)
        is_fitted = away <= max(3 * float(np.median(away)), 1e-12)
    length = float(np.hypot(plane[0], plane[1]))
    if not length:
        return band
    along = (plane[0] * x + plane[1] * y) / length
    residuals = levels - length * along - plane[2]
    # Bins have equal numbers of blocks, so that a star in a corner affects only a few blocks of its bin.
    order = np.argsort(along, kind="stable")
    bins = np.arange(len(along)) * GRID // len(along)
    members = np.full((2, GRID, int(np.bincount(bins).max())), np.nan)
    members[:, bins, np.arange(len(along)) - np.searchsorted(bins, bins)] = residuals[order], along[order]
    profile, centres = row_medians(members[0]), np.nanmean(members[1], axis=-1)
    level = length * centres + profile
    change, rises = float(np.ptp(level[1:-1])), np.diff(level)
    scatter = float(np.percentile(np.abs(residuals - _interpolate(along, centres, profile)), SLOPE_PERCENTILE))
    one_way = abs(float(rises.sum())) >= 0.9 * float(np.abs(rises).sum())
    if change < SLOPE_SIGMA * noise or scatter > SLOPE_SCATTER * change or not one_way:
        return band
    yy, xx = np.mgrid[:height, :width]
    place = (plane[0] * ((xx + 0.5) * GRID / width - 0.5) + plane[1] * ((yy + 0.5) * GRID / height - 0.5)) / length
    slope = length * place + _interpolate(place, centres, profile) - np.median(level)
    levelled_band: Plane = (band - slope).astype(band.dtype)
    return levelled_band


def _interpolate(place: Line, centres: Line, profile: Line) -> Line:
    """Interpolate the profile linearly, and extrapolate it with the slopes of its first and last intervals."""
    before = np.minimum(place - centres[0], 0) * (profile[1] - profile[0]) / max(centres[1] - centres[0], 1e-9)
    after = np.maximum(place - centres[-1], 0) * (profile[-1] - profile[-2]) / max(centres[-1] - centres[-2], 1e-9)
    extended_line: Line = np.interp(place, centres, profile) + before + after
    return extended_line
