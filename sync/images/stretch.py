"""Stretches: what an astronomical image, linear and of any unit, looks like to a person.

Brightness is measured in units of the sky's own noise, so counts and nanomaggies look the same. The curve is that of
the Legacy Surveys' viewer, asinh(20 I) / sqrt(20) with I = 0.03 + the mean of g, r, z in its weights, where a band's
noise is 0.012 on the whole (measured on its cut-outs): FITS files then resemble the JPEGs that volunteers classified.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from astropy.stats import sigma_clip
from numpy.typing import NDArray
from PIL import Image

from sync.images.cleaning import clean

__all__ = ["FIRST_STRETCH_VERSION", "STRETCH_VERSION", "asinh", "in_colour", "lupton", "three_bands", "to_png"]

STRETCH_VERSION = "asinh-sky-3"  # goes into cache keys: change it with anything below that changes pixels
FIRST_STRETCH_VERSION = "asinh-sky-2"
"""Goes into what must outlive a new stretch: content ids, so that nothing is imported twice, and keys of PNG and JPEG files."""

BLACK_SIGMA = -2.5  # below the sky, so that faint light is not lost in black
SOFT_SIGMA = 4.2  # linear below, logarithmic above
WHITE_SIGMA = 182.0  # at least; brighter images are white at their own WHITE_PERCENTILE
WHITE_PERCENTILE = 99.8
COMMON_PERCENTILE = 95.0  # what lies beyond it is a small part of the frame
STAR_RATIO = 1000.0  # a star that is brighter than the common pixels by more is white, so that the galaxies beside it are seen
SOURCE_SIGMA = 5.0  # pixels that surely show something
MAX_SAMPLE = 100_000  # pixels to measure on


def asinh(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Stretch one band.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Linear brightness in any unit; NaN and infinity mark missing pixels.

    Returns
    -------
    ndarray, shape (height, width)
        In [0, 1]; zero where missing, and everywhere in an image without contrast.
    """
    return _stretched(clean(image))


def lupton(red: NDArray[np.floating], green: NDArray[np.floating], blue: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compose three bands so that a colour does not depend on brightness.

    Parameters
    ----------
    red, green, blue : ndarray, shape (height, width)
        Linear brightness, weighted so that equal numbers are grey; NaN and infinity mark missing pixels.

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
    planes = tuple(clean(plane) for plane in (red, green, blue))
    return _composed(planes, [_sky(plane) for plane in planes])


def in_colour(bands: NDArray[np.floating], *, weights: Sequence[float] | None = None) -> NDArray[np.float32]:
    """Show any number of bands, ordered from the bluest to the reddest.

    One band is grey; of two the green is the mean; of more than three, neighbours are averaged into three.

    Parameters
    ----------
    bands : ndarray, shape (n, height, width)
        Linear brightness; NaN and infinity mark missing pixels.
    weights : sequence of n floats, optional
        What to multiply each band by so that equal numbers are grey; by default, what makes the sources grey.

    Returns
    -------
    ndarray, shape (height, width, 3)
        In [0, 1].
    """
    planes = [clean(band) for band in bands]
    if len(planes) == 1:
        return np.repeat(_stretched(planes[0])[..., None], 3, axis=-1)
    skies = [_sky(plane) for plane in planes]
    known = _grey_world(planes, skies) if weights is None else weights
    with np.errstate(over="ignore", invalid="ignore"):
        weighted = [plane * weight for plane, weight in zip(planes, known, strict=True)]
    if len(planes) != 3:
        mixed = three_bands(weighted)
        return _composed(mixed, [_sky(plane) for plane in mixed])
    # Finding the sky is most of the work: of three bands it is known, and only weighted.
    scaled = [(sky * weight, noise * weight) for (sky, noise), weight in zip(skies, known, strict=True)]
    return _composed(three_bands(weighted), scaled[::-1])


def three_bands(bands: Sequence[NDArray[np.floating]]) -> tuple[NDArray[np.floating], ...]:
    """Make red, green and blue of any number of bands, ordered from the bluest to the reddest, as `in_colour` says."""
    if len(bands) == 1:
        return (bands[0], bands[0], bands[0])
    if len(bands) == 2:
        return (bands[1], _mean(bands), bands[0])
    first, second = -(-len(bands) // 3), -(-2 * len(bands) // 3)
    return (_mean(bands[second:]), _mean(bands[first:second]), _mean(bands[:first]))


def to_png(pixels: NDArray[np.float32]) -> bytes:
    """Write an image as 8-bit PNG, for Label Studio to show.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3)
        In [0, 1].

    Raises
    ------
    ValueError
        If the shape is another or a value lies outside [0, 1].
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"pixels must have shape (height, width, 3), not {pixels.shape}")
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(f"pixels must lie in [0, 1], not in [{pixels.min()}, {pixels.max()}]")
    file = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _stretched(image: NDArray[np.floating]) -> NDArray[np.float32]:
    sky, noise = _sky(image)
    if noise == 0:
        return np.zeros(image.shape, dtype=np.float32)
    return _curve(_above(image, sky, noise))


def _composed(planes: Sequence[NDArray[np.floating]], skies: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    """Compose red, green and blue, each with the level and the noise of its sky."""
    noises = [noise for _, noise in skies if noise]
    if not noises:
        return np.zeros((*planes[0].shape, 3), dtype=np.float32)
    unit = float(np.mean(noises))
    bands = np.stack([_above(plane, sky, unit) for plane, (sky, _) in zip(planes, skies, strict=True)], axis=-1)
    bands = np.maximum(np.nan_to_num(bands - np.float32(BLACK_SIGMA), nan=0.0), 0.0)
    intensity = bands.mean(axis=-1)
    wanted = _curve(intensity + np.float32(BLACK_SIGMA))
    bands *= (wanted / np.maximum(intensity, np.float32(1e-6)))[..., None]
    # A band over 1 pulls the others down with it, which keeps the hue of bright cores.
    bands /= np.maximum(bands.max(axis=-1, keepdims=True), np.float32(1.0))
    return bands


def _grey_world(bands: Sequence[NDArray[np.floating]], skies: Sequence[tuple[float, float]]) -> list[float]:
    """Weights that give the sources the same median in every band."""
    step = -(-bands[0].size // MAX_SAMPLE)
    samples = [band.reshape(-1)[::step].astype(np.float64) for band in bands]
    above = [_above(sample, sky, noise or 1.0) for sample, (sky, noise) in zip(samples, skies, strict=True)]
    sources = np.nan_to_num(_mean(above)) > SOURCE_SIGMA
    weights = []
    for band, (_, noise) in zip(above, skies, strict=True):
        shining = band[sources & ~np.isnan(band)]
        level = max(float(np.median(shining)), 1.0) if shining.size else 1.0
        weights.append(1 / (level * noise) if noise else 1.0)
    # Only their ratios matter; the largest is 1, so that no product overflows.
    return [weight / max(weights) for weight in weights]


def _above(image: NDArray[np.floating], sky: float, unit: float) -> NDArray[np.float32]:
    """Brightness above the sky in units of `unit`; NaN where missing."""
    limit = float(np.finfo(np.float32).max) / 8  # three of them are added later
    with np.errstate(over="ignore"):
        # Halved first, because the difference of two finite numbers must stay finite.
        above = (image.astype(np.float64) / 2 - sky / 2) / (unit / 2)
    return np.where(np.isfinite(image), np.clip(above, -limit, limit), np.nan).astype(np.float32)


def _sky(image: NDArray[np.floating]) -> tuple[float, float]:
    """Level and noise of the sky; noise 0 for an image without contrast."""
    valid = image[np.isfinite(image)]
    if not valid.size or valid.min() == valid.max():
        return 0.0, 0.0
    low, high = float(valid.min()), float(valid.max())
    sample = valid[:: -(-valid.size // MAX_SAMPLE)].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        # With an axis astropy clips in C, and marks what it clips.
        clipped = sigma_clip(sample, sigma=3, maxiters=10, cenfunc="median", stdfunc="mad_std", masked=False, axis=0)
        clipped = clipped[~np.isnan(clipped)]
        sky = float(np.median(clipped))
        noise = float(1.4826 * np.median(np.abs(clipped - sky)))
    if not np.isfinite(sky) or not np.finfo(np.float64).tiny < noise < np.inf:
        # A model without noise, or a frame that is mostly padding: its whole range is what there is to show.
        sky, noise = low, (high / 2 - low / 2) / WHITE_SIGMA * 2
    return (sky, noise) if noise > np.finfo(np.float64).tiny else (0.0, 0.0)


def _curve(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Asinh from BLACK_SIGMA to white; `image` is in units of the sky's noise."""
    from astropy.visualization import AsinhStretch, ManualInterval  # here, since it loads matplotlib

    valid = image[~np.isnan(image)]
    sample = valid[:: -(-valid.size // MAX_SAMPLE)]
    bright = float(np.percentile(sample, WHITE_PERCENTILE)) if valid.size else 0.0
    if bright > STAR_RATIO:
        bright = min(bright, STAR_RATIO * max(float(np.percentile(sample, COMMON_PERCENTILE)), 1.0))
    white = max(WHITE_SIGMA, bright)
    scaled = ManualInterval(BLACK_SIGMA, white)(np.nan_to_num(image, nan=BLACK_SIGMA))
    return np.asarray(AsinhStretch(SOFT_SIGMA / (white - BLACK_SIGMA))(scaled), dtype=np.float32).clip(0, 1)


def _mean(bands: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
    """Mean over the bands that have a value; NaN where none has."""
    if len(bands) == 1:
        return bands[0]
    count = np.zeros(bands[0].shape)
    total = np.zeros(bands[0].shape)
    for band in bands:
        valid = np.isfinite(band)
        count += valid
        total += np.where(valid, band, 0) / len(bands)
    return np.where(count > 0, total * len(bands) / np.maximum(count, 1), np.nan)
