"""A scene: a picture and everything in it that a detector should find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scene"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture, and its n galaxies in the order in which they were laid down; stars are none.

    Attributes
    ----------
    image : ndarray of float32, shape (height, width, 3)
        Brightness as a person sees it, 0 to 1, in steps of 1/255 like any JPEG.
    boxes : ndarray of float32, shape (n, 4)
        Left, top, right and bottom edges, pixels, tight around each mask.
    masks : ndarray of bool, shape (n, height, width)
        Each galaxy's own footprint, as if it were alone on this sky (`backend.scenes.footprint`): masks of galaxies that
        overlap on the sky overlap too. What lies beyond the image is cut.
    kinds : tuple of str
        For each galaxy "cutout" or "simulated".
    blended : ndarray of bool, shape (n,)
        Whether the footprint shares pixels with another one.
    """

    image: NDArray[np.float32]
    boxes: NDArray[np.float32]
    masks: NDArray[np.bool_]
    kinds: tuple[str, ...]
    blended: NDArray[np.bool_]

    def __len__(self) -> int:
        """How many galaxies there are."""
        return len(self.kinds)
