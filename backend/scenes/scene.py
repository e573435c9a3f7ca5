"""A scene: an image with the true boxes and masks of its galaxies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scene", "SurveyScene"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and its n galaxies, in the order in which they were added; stars are not listed.

    Attributes
    ----------
    image : ndarray of float32, shape (height, width, 3)
        Stretched brightness, 0 to 1, in steps of 1/255.
    boxes : ndarray of float32, shape (n, 4)
        Left, top, right and bottom edges, pixels, tight around each mask.
    masks : ndarray of bool, shape (n, height, width)
        Footprint of each galaxy, computed without its neighbours (`backend.scenes.footprint`): masks of galaxies that overlap
        on the sky overlap as well. Masks end at the edge of the image.
    kinds : tuple of str
        Origin of each galaxy: "cutout" or "simulated".
    is_blended : ndarray of bool, shape (n,)
        Whether the footprint shares pixels with another one.
    """

    image: NDArray[np.float32]
    boxes: NDArray[np.float32]
    masks: NDArray[np.bool_]
    kinds: tuple[str, ...]
    is_blended: NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of galaxies."""
        return len(self.kinds)


@dataclass(frozen=True, slots=True, eq=False)
class SurveyScene(Scene):
    """A scene in which each pixel belongs to the object that emits most of its light (`backend.scenes.ownership`).

    The masks are disjoint, and `is_blended` marks galaxies that are above the surface brightness in a pixel of another one.

    Attributes
    ----------
    snr : ndarray, shape (n,)
        Signal-to-noise ratio of each galaxy's own light inside its mask.
    overlap : ndarray, shape (n,)
        Share of other objects in the light under each galaxy, weighted with its own light.
    faint_places : ndarray, shape (m, 2)
        Centres (x, y) of the galaxies that are too faint for a mask, or are hidden; pixels.
    star_places : ndarray, shape (s, 2)
        Centres (x, y) of the stars, pixels; faint ones may be invisible in the noise.
    survey : str
        Name of the simulated survey.
    surface_brightness : float
        The stated surface brightness of the masks, mag/arcsec^2.
    noise : float
        Standard deviation of the sky in a pixel, in the mean of the bands, light.
    """

    snr: NDArray[np.float64]
    overlap: NDArray[np.float64]
    faint_places: NDArray[np.float64]
    star_places: NDArray[np.float64]
    survey: str
    surface_brightness: float
    noise: float
