"""Level and noise of the sky background in a linear band.

Most pixels of a band show sky, and sources only add light, so the sky level is the median after three-sigma clipping. All
values are computed on one sorted sample: the unclipped pixels are a slice of it, and their median and median absolute deviation
need no further sorting. The result equals that of `astropy.stats.sigma_clip` and is computed many times faster.

Stretched images need other estimators, since their sky is clipped at black and a galaxy may cover half of a cut-out.
`backend.heads.extraction.sky` measures the smoothed image in meshes, and excludes areas without measurements.
`backend.heads.segmentation.lvm_window_encoder` measures the darkest quarter of the pixels.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SIGMA_PER_DEVIATION",
    "Background",
    "Sample",
    "clipped_background",
    "median",
    "median_and_spread",
    "quantile",
    "row_medians",
    "sorted_sample",
]

MAX_SAMPLE = 30_000
"""Largest number of pixels of a sample."""
CLIP_SIGMA = 3.0
MOST_CLIPS = 10
SIGMA_PER_DEVIATION = 1.4826
"""Ratio of the standard deviation of a normal distribution to its median absolute deviation."""

Sample = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Background:
    """Sky background of a band.

    Attributes
    ----------
    level : float
        Median of the sky, in the unit of the band.
    noise : float
        Standard deviation of the sky, in the unit of the band; both are 0 if there is no valid pixel.
    """

    level: float
    noise: float


def sorted_sample(band: NDArray[np.floating]) -> Sample:
    """Return the finite pixels of a band in ascending order, or an evenly spaced subset of at most `MAX_SAMPLE` of them."""
    valid = band[np.isfinite(band)]
    return np.sort(valid[:: -(-max(valid.size, 1) // MAX_SAMPLE)])


def quantile(sample: Sample, share: float) -> float:
    """Return the quantile `share` (0 to 1) of a non-empty sorted sample, with linear interpolation."""
    place = share * (sample.size - 1)
    below = int(place)
    low, high = float(sample[below]), float(sample[min(below + 1, sample.size - 1)])
    return low + (high - low) * (place - below)


def median(sample: Sample) -> float:
    """Return the median of a non-empty sorted sample."""
    return (float(sample[(sample.size - 1) // 2]) + float(sample[sample.size // 2])) / 2


def row_medians(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each row without NaN; each row needs at least one number. `np.nanmedian` is 20 times slower."""
    sorted_rows = np.sort(rows, axis=-1)  # sorts NaN to the end
    count = np.count_nonzero(~np.isnan(sorted_rows), axis=-1)
    index = np.arange(len(rows))
    middle: NDArray[np.float64] = (sorted_rows[index, (count - 1) // 2] + sorted_rows[index, count // 2]) / 2
    return middle


def clipped_background(sample: Sample) -> Background:
    """Return the sky background after clipping at three sigma about the median.

    Parameters
    ----------
    sample : ndarray, shape (n,)
        Finite values in ascending order, from `sorted_sample`.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # the difference of two finite numbers may be infinite
        for _ in range(MOST_CLIPS):
            if not sample.size:
                break
            level = median(sample)
            reach = CLIP_SIGMA * SIGMA_PER_DEVIATION * _deviation(sample, level)
            first, end = np.searchsorted(sample, level - reach, "left"), np.searchsorted(sample, level + reach, "right")
            if end - first == sample.size:
                break
            sample = sample[first:end]
        if not sample.size:
            return Background(0.0, 0.0)
        level = median(sample)
        return Background(level, SIGMA_PER_DEVIATION * _deviation(sample, level))


def median_and_spread(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the median of values, and their standard deviation estimated from the median absolute deviation."""
    middle = float(np.median(values))
    return middle, SIGMA_PER_DEVIATION * float(np.median(np.abs(values - middle)))


def _deviation(sample: Sample, level: float) -> float:
    """Return the median of the distances to `level` in a sorted sample."""
    return (_distance(sample, level, (sample.size - 1) // 2) + _distance(sample, level, sample.size // 2)) / 2


def _distance(sample: Sample, level: float, rank: int) -> float:
    """Return the distance to `level` with the given `rank`; the nearest value has rank 0.

    The `rank` + 1 nearest values are a slice of the sample; bisection finds its first index.
    """
    starts = range(sample.size - rank)
    start = bisect_left(starts, True, key=lambda at: level - float(sample[at]) <= float(sample[at + rank]) - level)
    distances = [float(sample[start + rank]) - level] if start in starts else []
    if start:
        distances.append(level - float(sample[start - 1]))
    return min(distances)
