"""Stretches that users can select for an import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sync.images.cleaning import clean
from sync.images.stretch import WHITE_PERCENTILE, asinh, in_colour, three_bands

if TYPE_CHECKING:
    from astropy.visualization import BaseInterval

__all__ = ["DEFAULT_STRETCH", "STRETCHES"]

FAINT_PERCENTILE, BRIGHT_PERCENTILE = 0.5, 99.5
COMMON_PERCENTILE = 80.0

STAR_RATIO = 180.0
"""Limit of the white point above the median, in units of the distance of `COMMON_PERCENTILE` from the median."""

LIGHT_PERCENTILE, POINT_RATIO = 95.0, 5.0
"""Limit of the white point of an image of photon counts, in units of this percentile of its light."""

Stretch = Callable[[NDArray[np.floating], Sequence[float] | None], NDArray[np.float32]]


def _lupton(bands: NDArray[np.floating], weights: Sequence[float] | None) -> NDArray[np.float32]:
    return in_colour(bands, weights=weights)


def _asinh(bands: NDArray[np.floating], weights: Sequence[float] | None) -> NDArray[np.float32]:
    return np.stack([asinh(band) for band in three_bands([clean(band) for band in bands])], axis=-1)


def _zscale(bands: NDArray[np.floating], weights: Sequence[float] | None) -> NDArray[np.float32]:
    from astropy.visualization import ZScaleInterval  # imported on use, because it loads matplotlib

    return _linear(bands, ZScaleInterval())


def _percentile(bands: NDArray[np.floating], weights: Sequence[float] | None) -> NDArray[np.float32]:
    from astropy.visualization import AsymmetricPercentileInterval

    return _linear(bands, AsymmetricPercentileInterval(FAINT_PERCENTILE, BRIGHT_PERCENTILE))


def _linear(bands: NDArray[np.floating], interval: BaseInterval) -> NDArray[np.float32]:
    """Stretch each band linearly between the limits of `interval`; missing pixels and bands without contrast are black."""
    colours = [_between(band.astype(np.float64), interval) for band in three_bands([clean(band) for band in bands])]
    return np.stack(colours, axis=-1).astype(np.float32)


def _between(band: NDArray[np.float64], interval: BaseInterval) -> NDArray[np.float64]:
    valid = band[np.isfinite(band)]
    if not valid.size:
        return np.zeros(band.shape)
    low, high = (float(limit) for limit in interval.get_limits(valid))
    middle, common, bright = (float(level) for level in np.percentile(valid, (50, COMMON_PERCENTILE, WHITE_PERCENTILE)))
    if common > middle:
        high = min(high, middle + STAR_RATIO * (common - middle))
    if not low < high or middle == valid.min():  # most pixels are equal, for example in an image of photon counts
        low, high = float(valid.min()), bright if bright > valid.min() else float(valid.max())
        if (light := valid[valid > low]).size:  # a bright point source does not determine the range
            high = min(high, low + POINT_RATIO * (float(np.percentile(light, LIGHT_PERCENTILE)) - low))
    if not low < high:
        return np.zeros(band.shape)
    return np.nan_to_num((np.clip(band, low, high) - low) / (high - low))


DEFAULT_STRETCH = "lupton"
STRETCHES: dict[str, Stretch] = {"lupton": _lupton, "asinh": _asinh, "zscale": _zscale, "percentile": _percentile}
"""Functions from bands, shape (n, height, width), and their weights to an image, shape (height, width, 3), in [0, 1].

`lupton` keeps the hue independent of brightness (one band gives a grey asinh stretch); the backend uses it for FITS files.
`asinh`, `zscale` and `percentile` stretch the three colours separately.
"""
