"""Pixels that are no sky and no source, taken out before an image is stretched: padding, sentinels, hot pixels, a slope.

A stretch is measured on the sky. Where half of a frame is padding, that would be the sky; where every bad pixel is 1e30, no
other value could be told from the next. An ordinary frame comes back as it is, the same array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.images.background import SIGMA_PER_DEVIATION, Sample, median, quantile, row_medians, sorted_sample

__all__ = ["clean", "clean_with_sample"]

Plane = NDArray[np.floating]
Line = NDArray[np.float64]

TIES_SAMPLE = 20_000
FEWEST_TIES = 0.001
"""Share of the pixels that have one value to the last bit, from which it may be one that somebody wrote there."""
MOST_SENTINELS = 4
"""Values that are looked at: a file has padding and perhaps a value for bad pixels."""
FAR = 10.0
"""How many times the spread of all others a sentinel lies outside of them."""
ABSURD = 1e9
"""How many times brighter than all others no light is."""
BLOCK_SHARE = 0.05
"""Of the pixels: padding that lies among the values of the sky, or is brighter than all else, is at least so much."""
CONTINUOUS = 0.5
"""Share of different values in a sample, from which equal ones are no accident of counting."""
FEWEST_HOT, HOT_SHARE = 8, 5e-4
"""Pixels, and their share: fewer hot ones leave every percentile of a stretch where it is."""
HOT_NOISE, HOT_RATIO = 30.0, 20.0
"""A hot pixel is so many times brighter than 95 % of the frame, and than the brightest of its neighbours."""
GRID = 16
"""Blocks a side on which a slope is measured."""
SLOPE_SIGMA = 4.0
"""How many times the noise a slope must change over the frame."""
SLOPE_SCATTER, SLOPE_PERCENTILE = 0.1, 85
"""How far most blocks lie from a slope, as a share of what it changes: a galaxy at the edge is no slope."""


def clean(band: Plane) -> Plane:
    """Return a band without what would mislead a stretch.

    Parameters
    ----------
    band : ndarray, shape (height, width)
        Linear brightness; NaN and infinity mark missing pixels.

    Returns
    -------
    ndarray, shape (height, width)
        `band` itself where it is an ordinary frame; else a copy in which padding and sentinels are NaN, isolated hot pixels,
        where they are many, are as bright as their surroundings, and a slope of the sky is level.
    """
    return clean_with_sample(band)[0]


def clean_with_sample(band: Plane) -> tuple[Plane, Sample]:
    """Return what `clean` returns, and its `sorted_sample`, which is most of the work."""
    measured = _without_sentinels(band)
    sample = sorted_sample(measured)
    cleaned = _without_slope(_without_hot_pixels(measured, sample))
    return cleaned, sample if cleaned is measured else sorted_sample(cleaned)


def _without_sentinels(band: Plane) -> Plane:
    for _ in range(MOST_SENTINELS):
        value = _sentinel(band)
        if value is None:
            break
        band = np.where(band == value, np.nan, band)
    return band


def _sentinel(band: Plane) -> float | None:
    """A value that was written where nothing was measured, None if there is none."""
    flat = band.reshape(-1)
    sample = flat[:: -(-flat.size // TIES_SAMPLE)]
    sample = np.sort(sample[np.isfinite(sample)])
    if sample.size < GRID:
        return None
    starts = np.flatnonzero(np.concatenate([[True], sample[1:] != sample[:-1]]))
    counts = np.diff(np.append(starts, sample.size))
    many = np.flatnonzero(counts >= max(FEWEST_TIES * sample.size, 3))
    for place in many[np.argsort(-counts[many])][:MOST_SENTINELS]:
        value, start, count = float(sample[starts[place]]), starts[place], counts[place]
        rest = np.concatenate([sample[:start], sample[start + count :]])
        levels = np.delete(sample[starts], place)
        if rest.size >= GRID and _is_sentinel(band, value, count / sample.size, rest, levels):
            return value
    return None


def _is_sentinel(band: Plane, value: float, share: float, rest: Plane, levels: Plane) -> bool:
    """Whether `value` is none of the distribution of all others: `rest`, sorted, which has the different `levels`."""
    if len(levels) < 2:
        return False
    low, middle, high = (float(rest[int(part * (rest.size - 1))]) for part in (0.01, 0.5, 0.99))
    step = float(np.median(np.diff(levels.astype(np.float64))))  # of numbers that were counted
    spread = max(middle - low, step, float(np.finfo(np.float32).tiny))
    if value < low - FAR * spread:
        return True
    if value > high + FAR * max(high - low, spread):
        # So is a saturated star: among bright pixels, and never of such a part of the frame, nor of such a brightness.
        is_absurd = value > ABSURD * max(abs(high), spread)
        return is_absurd or (share >= BLOCK_SHARE and not _lies_in_light(band, value, middle, spread))
    return share >= BLOCK_SHARE and len(levels) > CONTINUOUS * rest.size and _is_block(band, value)


def _is_block(band: Plane, value: float) -> bool:
    """Whether most pixels of a value lie among others of that value."""
    from scipy import ndimage  # here and below: few frames need it, and `inspect` starts without it

    alike = band == value
    return bool(ndimage.uniform_filter(alike.astype(np.float32), 3, mode="nearest")[alike].mean() > 0.85)


def _lies_in_light(band: Plane, value: float, sky: float, spread: float) -> bool:
    from scipy import ndimage

    alike = band == value
    around = band[ndimage.binary_dilation(alike, np.ones((3, 3))) & ~alike & np.isfinite(band)]
    return bool(around.size and np.median(around) > sky + FAR * spread)


def _without_hot_pixels(band: Plane, sample: Sample) -> Plane:
    if min(band.shape) < 3 or not sample.size:
        return band
    sky = median(sample)
    noise = quantile(sample, 0.95) - sky
    brighter = sample.size - np.searchsorted(sample, sky + HOT_NOISE * noise, "right")
    if noise <= 0 or brighter < HOT_SHARE * sample.size:
        return band
    from scipy import ndimage

    filled = np.where(np.isfinite(band), band, sky)
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    highest = ndimage.maximum_filter(filled, footprint=ring)
    # Two hot pixels may be neighbours: the second highest would be asked where there are very many.
    hot = (filled - sky > HOT_RATIO * np.maximum(highest - sky, noise)) & (filled - sky > HOT_NOISE * noise)
    if hot.sum() < max(FEWEST_HOT, HOT_SHARE * band.size):
        return band
    return np.where(hot, ndimage.median_filter(filled, footprint=ring), band).astype(band.dtype)


def _without_slope(band: Plane) -> Plane:
    """Level a sky that grows in one direction, and does not depend on the other."""
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
    return _levelled(band, levels, valid, noise)


def _levelled(band: Plane, levels: NDArray[np.float64], valid: NDArray[np.bool_], noise: float) -> Plane:
    height, width = band.shape
    y, x = (index[valid].astype(np.float64) for index in np.mgrid[:GRID, :GRID])
    design = np.stack([x, y, np.ones_like(x)], axis=1)
    kept = np.ones(len(levels), dtype=bool)
    for _ in range(4):  # blocks with stars and galaxies are left out
        plane, *_ = np.linalg.lstsq(design[kept], levels[kept], rcond=None)
        away = np.abs(levels - design @ plane)
        kept = away <= max(3 * float(np.median(away)), 1e-12)
    length = float(np.hypot(plane[0], plane[1]))
    if not length:
        return band
    along = (plane[0] * x + plane[1] * y) / length
    curved = levels - length * along - plane[2]
    # Bins of as many blocks each: a star in a corner is a few blocks of many.
    order = np.argsort(along, kind="stable")
    bins = np.arange(len(along)) * GRID // len(along)
    members = np.full((2, GRID, int(np.bincount(bins).max())), np.nan)
    members[:, bins, np.arange(len(along)) - np.searchsorted(bins, bins)] = curved[order], along[order]
    profile, centres = row_medians(members[0]), np.nanmean(members[1], axis=-1)
    level = length * centres + profile
    change, rises = float(np.ptp(level[1:-1])), np.diff(level)
    scatter = float(np.percentile(np.abs(curved - _interpolated(along, centres, profile)), SLOPE_PERCENTILE))
    one_way = abs(float(rises.sum())) >= 0.9 * float(np.abs(rises).sum())
    if change < SLOPE_SIGMA * noise or scatter > SLOPE_SCATTER * change or not one_way:
        return band
    yy, xx = np.mgrid[:height, :width]
    place = (plane[0] * ((xx + 0.5) * GRID / width - 0.5) + plane[1] * ((yy + 0.5) * GRID / height - 0.5)) / length
    slope = length * place + _interpolated(place, centres, profile) - np.median(level)
    levelled: Plane = (band - slope).astype(band.dtype)
    return levelled


def _interpolated(place: Line, centres: Line, profile: Line) -> Line:
    """The profile between its points, and on beyond the first and the last as it began and ended."""
    before = np.minimum(place - centres[0], 0) * (profile[1] - profile[0]) / max(centres[1] - centres[0], 1e-9)
    after = np.maximum(place - centres[-1], 0) * (profile[-1] - profile[-2]) / max(centres[-1] - centres[-2], 1e-9)
    extended: Line = np.interp(place, centres, profile) + before + after
    return extended
