"""Catalogue features: ten numbers per source, with which a small classifier separates stars, galaxies and artefacts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sync.geometry.shapes import Ellipse

__all__ = ["FEATURES", "describe"]

FEATURES = (
    "log_flux",
    "log_area",
    "ellipticity",
    "concentration",
    "peak",
    "log_peak_per_area",
    "red_minus_blue",
    "green_excess",
    "log_snr",
    "touches_edge",
)


def describe(
    image: NDArray[np.float32],
    light: NDArray[np.float32],
    crop: NDArray[np.bool_],
    ellipse: Ellipse,
    *,
    corner: tuple[int, int],
    noise: float,
) -> NDArray[np.float32]:
    """Return the features of one source, in the order of `FEATURES`.

    Parameters
    ----------
    image : ndarray, shape (height, width, 3)
        Red, green, blue, 0 to 1.
    light : ndarray, shape (h, w)
        Smoothed, sky-subtracted brightness within the crop, 0 outside the outline.
    crop : ndarray of bool, shape (h, w)
        Pixels inside the outline.
    ellipse : Ellipse
        Ellipse of the outline, pixels of the image.
    corner : (x, y)
        Position of the first pixel of the crop in the image.
    noise : float
        Standard deviation of the smoothed sky.

    Returns
    -------
    ndarray, shape (len(FEATURES),)
        Finite values. The concentration is the fraction of the light within half the radii of the ellipse: 0.25 for a uniform
        disc, more for steeper profiles. Colours are differences divided by the sum of the three bands.
    """
    (x, y), (h, w) = corner, crop.shape
    height, width = image.shape[:2]
    red, green, blue = image[y : y + h, x : x + w][crop].mean(axis=0, dtype=np.float64)
    total = max(float(red + green + blue), 1e-6)
    area, flux, peak = int(crop.sum()), max(float(light.sum()), 1e-6), float(light.max())
    values = (
        np.log10(flux),
        np.log10(area),
        1 - min(ellipse.radius_x, ellipse.radius_y) / max(ellipse.radius_x, ellipse.radius_y),
        float(light[_inner(crop.shape, ellipse, corner)].sum()) / flux,
        peak,
        np.log10(max(peak, 1e-6) / area),
        (red - blue) / total,
        (2 * green - red - blue) / total,
        np.log10(max(peak / noise, 1e-6)),
        float(x == 0 or y == 0 or x + w == width or y + h == height),
    )
    return np.asarray(values, dtype=np.float32)


def _inner(shape: tuple[int, ...], ellipse: Ellipse, corner: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which pixels of the crop lie within half the radii of the ellipse."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    dx, dy = columns + corner[0] + 0.5 - ellipse.x, rows + corner[1] + 0.5 - ellipse.y
    cosine, sine = np.cos(np.radians(ellipse.rotation)), np.sin(np.radians(ellipse.rotation))
    along, across = (dx * cosine + dy * sine) / ellipse.radius_x, (dy * cosine - dx * sine) / ellipse.radius_y
    inside: NDArray[np.bool_] = along**2 + across**2 <= 0.25
    return inside
