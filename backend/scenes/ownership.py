"""Truth of survey scenes: each pixel belongs to the object that emits most of its light, if that light is bright enough.

The mask of a galaxy is where its own light, without noise and blurred by the point spread function, is above a stated surface
brightness and above the light of each other object. Masks never overlap, and a galaxy has no mask where it is never the
brightest object.

References
----------
Bosch et al. (2018), PASJ 70, S5, sect. 4.9.11 (blendedness); Sanchez et al. (2021), JCAP 7, 043 (purity of a pixel).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Truth", "divide_light"]

Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Masks and measures of n galaxies.

    Attributes
    ----------
    masks : ndarray of bool, shape (n, height, width)
        Disjoint.
    snr : ndarray, shape (n,)
        Signal-to-noise ratio of the galaxy's own light inside its mask; 0 for an empty mask.
    overlap : ndarray, shape (n,)
        Blendedness: the share of other objects in the light under the galaxy, weighted with its own light; 0 for a galaxy
        without neighbours, 0.5 for two galaxies at the same place.
    touches : ndarray of bool, shape (n,)
        Whether the galaxy and another galaxy are both above the surface brightness in some pixel.
    owns_peak : ndarray of bool, shape (n,)
        Whether the galaxy's brightest pixel is in its mask.
    """

    masks: NDArray[np.bool_]
    snr: NDArray[np.float64]
    overlap: NDArray[np.float64]
    touches: NDArray[np.bool_]
    owns_peak: NDArray[np.bool_]


def divide_light(galaxies: Planes, others: Planes, *, limit: float, noise: float, correlation: float = 1.0) -> Truth:
    """Divide the pixels of a scene among its galaxies.

    Parameters
    ----------
    galaxies : ndarray, shape (n, height, width)
        Light of each galaxy without noise.
    others : ndarray, shape (m, height, width)
        Light of each star; a star owns pixels as well, but gets no mask.
    limit : float
        Smallest light of a pixel of a mask: the stated surface brightness.
    noise : float
        Standard deviation of the noise of a pixel.
    correlation : float
        Ratio of the noise of the sum of many pixels to that of the sum of as many independent ones.
    """
    count, *shape = galaxies.shape
    if not count:
        return Truth(np.zeros((0, *shape), bool), np.zeros(0), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    planes = np.concatenate([galaxies, others])
    brightest = planes.argmax(axis=0)
    bright = galaxies > limit
    masks = bright & (brightest[None] == np.arange(count)[:, None, None])
    total = planes.sum(axis=0)
    areas = masks.sum(axis=(1, 2))
    own = (galaxies * masks).sum(axis=(1, 2), dtype=np.float64)
    snr = own / (noise * correlation * np.sqrt(np.maximum(areas, 1)))
    squares = (galaxies**2).sum(axis=(1, 2), dtype=np.float64)
    products = (galaxies * total).sum(axis=(1, 2), dtype=np.float64)
    shared_pixels = bright.sum(axis=0) > 1
    touches = np.asarray([bool((mask & shared_pixels).any()) for mask in bright])
    peaks = galaxies.reshape(count, -1).argmax(axis=1)
    owns_peak = masks.reshape(count, -1)[np.arange(count), peaks]
    return Truth(masks, snr, 1 - squares / np.maximum(products, 1e-30), touches, owns_peak)
