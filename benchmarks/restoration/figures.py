"""Figures of restored images: PSNR, SSIM, relative error, flux in an aperture, ellipticity, coverage of the uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

__all__ = ["Aperture", "aperture_of", "coverage", "ellipticity", "flux_error", "psnr", "relative_error", "ssim"]

Image = NDArray[np.floating]
OBJECT_SHARE = 0.02
"""Pixels brighter than this share of the peak of the true image belong to objects."""
WEIGHT_RADII, LEAST_WEIGHT_PX = 1.0, 1.5
RADII = np.arange(1.5, 24.0, 0.5)
HALF, APERTURE_RADII = 0.5, 3.0


@dataclass(frozen=True, slots=True)
class Aperture:
    """A circular aperture around the brightest galaxy near the middle of the true image.

    Attributes
    ----------
    x, y, radius : float
        Pixels.
    half_light : float
        Radius with half of the light of the true image, pixels.
    """

    x: float
    y: float
    radius: float
    half_light: float = 0.0

    def weights(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the part of each pixel inside, to a fifth of a pixel at the border."""
        rows, columns = np.indices(shape)
        distance = np.hypot(columns - self.x, rows - self.y)
        return np.clip(self.radius - distance + 0.5, 0, 1)


def aperture_of(target: Image) -> Aperture:
    """Return the aperture of 3 half-light radii of the true image, at most 23.5 pixels, which holds nearly all light."""
    rows, columns = np.indices(target.shape)
    middle = (np.array(target.shape) - 1) / 2
    near = np.hypot(rows - middle[0], columns - middle[1]) < 6
    row, column = np.unravel_index(np.argmax(np.where(near, target, -np.inf)), target.shape)
    growth = np.array(
        [(Aperture(float(column), float(row), float(radius)).weights(target.shape) * target).sum() for radius in RADII]
    )
    half = float(np.interp(HALF * growth.max(), growth, RADII))
    return Aperture(float(column), float(row), min(APERTURE_RADII * half, float(RADII[-1])), half)


def flux_error(image: Image, target: Image, aperture: Aperture) -> float:
    """Return the relative error of the flux in the aperture."""
    weights = aperture.weights(target.shape)
    return float((weights * (image - target)).sum() / (weights * target).sum())


def psnr(image: Image, target: Image) -> float:
    """Return the peak signal-to-noise ratio, dB; the range is the peak of the true image."""
    return 10 * math.log10(float(target.max()) ** 2 / float(np.mean((image - target) ** 2)))


def ssim(image: Image, target: Image) -> float:
    """Return the structural similarity with a Gaussian window; the range is the peak of the true image."""
    return float(
        structural_similarity(
            np.asarray(image, float), np.asarray(target, float), data_range=float(target.max()), gaussian_weights=True,
            sigma=1.5, use_sample_covariance=False,
        )
    )  # fmt: skip


def relative_error(image: Image, target: Image) -> float:
    """Return the norm of the error over the norm of the true image."""
    return float(np.linalg.norm(image - target) / np.linalg.norm(target))


def ellipticity(image: Image, aperture: Aperture) -> NDArray[np.float64]:
    """Return (g1, g2), of length (1 - q) / (1 + q), of moments with a Gaussian weight of the galaxy's size."""
    rows, columns = np.indices(image.shape)
    sigma = max(LEAST_WEIGHT_PX, WEIGHT_RADII * aperture.half_light)
    x, y = aperture.x, aperture.y
    for _ in range(4):
        weight = np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / sigma**2) * image
        total = weight.sum()
        if total <= 0:
            return np.array([np.nan, np.nan])
        x, y = (x + 2 * float((weight * (columns - x)).sum() / total), y + 2 * float((weight * (rows - y)).sum() / total))
    xx, yy = (float((weight * (at - middle) ** 2).sum() / total) for at, middle in ((columns, x), (rows, y)))
    xy = float((weight * (columns - x) * (rows - y)).sum() / total)
    distortion = np.array([xx - yy, 2 * xy]) / (xx + yy)
    return np.asarray(distortion / (1 + math.sqrt(max(0.0, 1 - float(distortion @ distortion)))))


def coverage(image: Image, spread: Image, target: Image) -> tuple[float, float]:
    """Return the share of pixels whose error is below one standard deviation: of objects, and of the sky."""
    inside = np.abs(image - target) < spread
    objects = target > OBJECT_SHARE * target.max()
    return float(inside[objects].mean()), float(inside[~objects].mean())
