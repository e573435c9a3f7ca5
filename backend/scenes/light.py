"""Conversion between stretched images and light; galaxies can be added only in light, and survey JPEGs are stretched.

Survey JPEGs show asinh(Q I) / Q, with I the mean of the bands, and keep the hue. Q is about 4.5 in the viewer of the Legacy
Surveys (asinh(20 I) / sqrt(20)) and 8 in that of SDSS. A single value between the two is used for all images. Light is then
only approximately proportional to flux, but `to_image` inverts `to_light` exactly. In the faint limit, light equals
brightness.

References
----------
Lupton et al. (2004), PASP 116, 133.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SOFTENING", "to_display", "to_image", "to_light"]

SOFTENING = 6.0
FAINT = 1e-6


def to_display(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the stretched brightness, at most 1, of light of this intensity (mean of the bands)."""
    brightness: NDArray[np.float32] = np.arcsinh(intensity * np.float32(SOFTENING)) / np.float32(SOFTENING)
    return np.minimum(brightness, np.float32(1))


def to_light(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Invert the stretch of `image`, shape (height, width, 3), values in [0, 1]; return light of the same shape."""
    scale = np.maximum(image.mean(axis=2, keepdims=True, dtype=np.float32) * np.float32(SOFTENING), np.float32(FAINT))
    light: NDArray[np.float32] = image * (np.sinh(scale) / scale)
    return light


def to_image(light: NDArray[np.float32], softening: float = SOFTENING) -> NDArray[np.float32]:
    """Stretch `light`, shape (height, width, 3), to an image in [0, 1]; `softening` is Q.

    Where a band exceeds 1, all bands are divided by it, which keeps the hue.
    """
    light = np.maximum(light, np.float32(0))
    scale = np.maximum(light.mean(axis=2, keepdims=True, dtype=np.float32) * np.float32(softening), np.float32(FAINT))
    image = light * (np.arcsinh(scale) / scale)
    return np.asarray(image / np.maximum(image.max(axis=2, keepdims=True), np.float32(1)), dtype=np.float32)
