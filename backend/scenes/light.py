"""From pictures to light and back: adding galaxies is only right in light, and only pictures are at hand.

Survey JPEGs show asinh(Q I) / Q of the bands' mean I, with the hue kept. Q is about 4.5 in the Legacy Surveys' viewer
(asinh(20 I) / sqrt(20)) and 8 in SDSS's; one value between them serves for all: light is then only roughly proportional to
flux, but what `to_light` undid, `to_picture` redoes exactly. The unit of light is the picture's own where it is faint.

References
----------
Lupton et al. (2004), PASP 116, 133.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["SOFTENING", "shown", "to_light", "to_picture"]

SOFTENING = 6.0
FAINT = 1e-6


def shown(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """How bright a picture shows light of this intensity (mean of the bands), up to white."""
    brightness: NDArray[np.float32] = np.arcsinh(intensity * np.float32(SOFTENING)) / np.float32(SOFTENING)
    return np.minimum(brightness, np.float32(1))


def to_light(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo the stretch of `picture`, shape (height, width, 3), in [0, 1]."""
    scaled = np.maximum(picture.mean(axis=2, keepdims=True, dtype=np.float32) * np.float32(SOFTENING), np.float32(FAINT))
    light: NDArray[np.float32] = picture * (np.sinh(scaled) / scaled)
    return light


def to_picture(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Show `light`, shape (height, width, 3): in [0, 1]; a band beyond white dims the others with it, to keep the hue."""
    light = np.maximum(light, np.float32(0))
    scaled = np.maximum(light.mean(axis=2, keepdims=True, dtype=np.float32) * np.float32(SOFTENING), np.float32(FAINT))
    picture = light * (np.arcsinh(scaled) / scaled)
    return np.asarray(picture / np.maximum(picture.max(axis=2, keepdims=True), np.float32(1)), dtype=np.float32)
