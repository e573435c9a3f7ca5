"""Asinh stretches of linear astronomical images in any unit.

Brightness is measured in units of the noise of the sky, so the unit of the file does not matter. The curve is that of the
Legacy Surveys viewer, asinh(20 I) / sqrt(20) with I = 0.03 + the weighted mean of g, r and z, in which the noise of a band is
about 0.012 (measured on its cut-outs). FITS files therefore resemble the JPEG images that volunteers classified.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sync.images.background import MAX_SAMPLE, Background, Sample, clipped_background, quantile, sorted_sample
from sync.images.cleaning import clean_with_sample

__all__ = ["FIRST_STRETCH_VERSION", "STRETCH_VERSION", "asinh", "in_colour", "lupton", "three_bands"]

STRETCH_VERSION = "asinh-sky-4"  # part of cache keys: change it with every change below that affects pixels
FIRST_STRETCH_VERSION = "asinh-sky-2"
"""Part of identifiers that do not change with the stretch: content ids, to avoid duplicates, and cache keys of PNG and JPEG."""

BLACK_SIGMA = -2.5  # below the sky, so that faint light is not clipped
SOFT_SIGMA = 4.2  # linear below, logarithmic above
WHITE_SIGMA = 182.0  # lower limit of the white point; in brighter images it is at their WHITE_PERCENTILE
WHITE_PERCENTILE = 99.8
COMMON_PERCENTILE = 95.0  # only a small part of the frame is brighter
STAR_RATIO = 1000.0  # limits the white point relative to COMMON_PERCENTILE, so that galaxies near a bright star stay visible
POINT_RATIO = 20.0  # limits the range of an image without noise, relative to COMMON_PERCENTILE of its light
SOURCE_SIGMA = 5.0  # pixels above it belong to sources


def asinh(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Stretch one band.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Linear brightness in any unit; NaN and infinity mark missing pixels.

    Returns
    -------
    ndarray, shape (height, width)
        In [0, 1]; 0 for missing pixels, and for all pixels of an image without contrast.
    """
    return _stretch(*clean_with_sample(image))


def lupton(red: NDArray[np.floating], green: NDArray[np.floating], blue: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compose three bands into a colour image whose hue does not depend on brightness.

    Parameters
    ----------
    red, green, blue : ndarray, shape (height, width)
        Linear brightness, weighted so that equal values give grey; NaN and infinity mark missing pixels.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1].

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Lupton et al. (2004), PASP 116, 133.
    """
    if not red.shape == green.shape == blue.shape:
        raise ValueError(f"bands must have one shape, not {red.shape}, {green.shape} and {blue.shape}")
    planes, samples = zip(*(clean_with_sample(plane) for plane in (red, green, blue)), strict=True)
    return _compose(planes, [_sky(plane, sample) for plane, sample in zip(planes, samples, strict=True)])


def in_colour(
    bands: NDArray[np.floating],
    *,
    weights: Sequence[float] | None = None,
    reference: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Compose any number of bands, ordered from the bluest to the reddest, into a colour image.

    One band gives a grey image. For two bands, green is their mean. More than three bands are averaged into three groups.

    Parameters
    ----------
    bands : ndarray, shape (n, height, width)
        Linear brightness; NaN and infinity mark missing pixels.
    weights : sequence of n floats, optional
        Factors of the bands with which equal values give grey; by default, factors with which the sources are grey.
    reference : ndarray, shape (n, height, width), optional
        Bands on which sky and noise are measured, by default `bands`. With the observed bands as the reference, a restored
        image without noise has the brightness of the observed one.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1].
    """
    planes, samples = zip(*(clean_with_sample(band) for band in bands), strict=True)
    if reference is not None:
        samples = tuple(clean_with_sample(band)[1] for band in reference)
    if len(planes) == 1:
        return np.repeat(_stretch(planes[0], samples[0])[..., None], 3, axis=-1)
    skies = [_sky(plane, sample) for plane, sample in zip(planes, samples, strict=True)]
    band_weights = _grey_world(planes, skies) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):
        weighted_planes = [plane * weight for plane, weight in zip(planes, band_weights, strict=True)]
    if len(planes) != 3:
        rgb = three_bands(weighted_planes)
        reference_rgb = rgb
        if reference is not None:
            reference_rgb = three_bands([band * weight for band, weight in zip(reference, band_weights, strict=True)])
        return _compose(rgb, [_sky(plane, sorted_sample(plane)) for plane in reference_rgb])
    # Measuring the sky takes most of the time; the measured values of three bands are only rescaled.
    weighted_skies = [
        Background(sky.level * weight, sky.noise * weight) for sky, weight in zip(skies, band_weights, strict=True)
    ]
    return _compose(three_bands(weighted_planes), weighted_skies[::-1])


def three_bands(bands: Sequence[NDArray[np.floating]]) -> tuple[NDArray[np.floating], ...]:
    """Combine bands, ordered from the bluest to the reddest, into red, green and blue as described in `in_colour`."""
    if len(bands) == 1:
        return (bands[0], bands[0], bands[0])
    if len(bands) == 2:
        return (bands[1], _mean(bands), bands[0])
    first, second = -(-len(bands) // 3), -(-2 * len(bands) // 3)
    return (_mean(bands[second:]), _mean(bands[first:second]), _mean(bands[:first]))


def _stretch(image: NDArray[np.floating], sample: Sample) -> NDArray[np.float32]:
    sky = _sky(image, sample)
    if sky.noise == 0:
        return np.zeros(image.shape, dtype=np.float32)
    return _curve(_above(image, sky.level, sky.noise))


def _compose(planes: Sequence[NDArray[np.floating]], skies: Sequence[Background]) -> NDArray[np.float32]:
    """Compose red, green and blue planes with the given sky backgrounds, shape (height, width, 3)."""
    noises = [sky.noise for sky in skies if sky.noise]
    if not noises:
        return np.zeros((*planes[0].shape, 3), dtype=np.float32)
    unit = float(np.mean(noises))
    bands = np.stack([_above(plane, sky.level, unit) for plane, sky in zip(planes, skies, strict=True)])
    bands -= np.float32(BLACK_SIGMA)
    bands[np.isnan(bands)] = 0
    np.maximum(bands, 0, out=bands)
    intensity = bands.mean(axis=0)
    target = _curve(intensity + np.float32(BLACK_SIGMA))
    bands *= target / np.maximum(intensity, np.float32(1e-6))
    # If a band exceeds 1, all bands are divided by it, which keeps the hue of bright cores.
    bands /= np.maximum(bands.max(axis=0), np.float32(1.0))
    return np.ascontiguousarray(np.moveaxis(bands, 0, -1))


def _grey_world(bands: Sequence[NDArray[np.floating]], skies: Sequence[Background]) -> list[float]:
    """Return weights with which the sources have the same median in all bands."""
    step = -(-bands[0].size // MAX_SAMPLE)
    samples = [band.reshape(-1)[::step] for band in bands]
    above = [_above(sample, sky.level, sky.noise or 1.0) for sample, sky in zip(samples, skies, strict=True)]
    sources = np.flatnonzero(_mean(above) > SOURCE_SIGMA)
    weights = []
    for band, sky in zip(above, skies, strict=True):
        light = band[sources]
        light = light[~np.isnan(light)]
        level = max(float(np.median(light)), 1.0) if light.size else 1.0
        weights.append(1 / (level * sky.noise) if sky.noise else 1.0)
    # Only the ratios matter; the largest weight is 1, so that products do not overflow.
    return [weight / max(weights) for weight in weights]


def _above(image: NDArray[np.floating], sky: float, unit: float) -> NDArray[np.float32]:
    """Return the brightness above the sky in units of `unit`; NaN for missing pixels."""
    limit = np.finfo(np.float32).max / 8  # the sum of three such values must be finite
    with np.errstate(over="ignore", invalid="ignore"):
        # Values are halved first, so that the difference of two finite numbers is finite.
        floats = image.astype(np.float64)
        floats /= 2
        floats -= sky / 2
        floats /= unit / 2
        above = floats.astype(np.float32)
    is_missing = ~np.isfinite(image)
    np.clip(above, -limit, limit, out=above)
    above[is_missing] = np.nan
    return above


def _sky(image: NDArray[np.floating], sample: Sample) -> Background:
    """Return the sky background from an image's sorted sample; the noise is 0 for an image without contrast."""
    if not sample.size:
        return Background(0.0, 0.0)
    sky = clipped_background(sample)
    smallest = np.finfo(np.float64).tiny
    if not np.isfinite(sky.level) or not smallest < sky.noise < np.inf:
        # For a model without noise, or a frame that is mostly padding, the full range is displayed. Among sparse photons, a
        # bright point source does not determine the range.
        valid = image[np.isfinite(image)]
        low, high = float(valid.min()), float(valid.max())
        if (light := sample[sample > low]).size:
            high = min(high, low + POINT_RATIO * (quantile(light, COMMON_PERCENTILE / 100) - low))
        sky = Background(low, (high / 2 - low / 2) / WHITE_SIGMA * 2)
    return sky if sky.noise > smallest else Background(0.0, 0.0)


def _curve(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Apply the asinh curve from BLACK_SIGMA to the white point; `image` is in units of the sky's noise."""
    valid = image[~np.isnan(image)]
    sample = valid[:: -(-max(valid.size, 1) // MAX_SAMPLE)]
    bright = 0.0
    # The test avoids the slow percentile for most images.
    if np.count_nonzero(sample > WHITE_SIGMA) > (1 - WHITE_PERCENTILE / 100) * (sample.size - 1):
        bright = float(np.percentile(sample, WHITE_PERCENTILE))
    if bright > STAR_RATIO:
        bright = min(bright, STAR_RATIO * max(float(np.percentile(sample, COMMON_PERCENTILE)), 1.0))
    white = max(WHITE_SIGMA, bright)
    softening = SOFT_SIGMA / (white - BLACK_SIGMA)
    sigmas = np.nan_to_num(image, nan=BLACK_SIGMA)
    sigmas -= BLACK_SIGMA
    sigmas /= white - BLACK_SIGMA
    np.clip(sigmas, 0, 1, out=sigmas)
    sigmas /= softening
    np.arcsinh(sigmas, out=sigmas)
    sigmas /= np.arcsinh(1 / softening)
    return np.clip(sigmas, 0, 1, out=sigmas)


def _mean(bands: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
    """Return the mean over the bands with a finite value at each pixel; NaN where no band has one."""
    if len(bands) == 1:
        return bands[0]
    valid = [np.isfinite(band) for band in bands]
    if all(pixels.all() for pixels in valid):
        mean: NDArray[np.float64] = np.sum([band / len(bands) for band in bands], axis=0, dtype=np.float64)
        return mean
    count = np.sum(valid, axis=0)
    total = np.sum(
        [np.where(pixels, band, 0) / len(bands) for band, pixels in zip(bands, valid, strict=True)], axis=0, dtype=np.float64
    )
    return np.where(count > 0, total * len(bands) / np.maximum(count, 1), np.nan)
