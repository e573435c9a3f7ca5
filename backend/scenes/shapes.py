"""Shapes of the galaxies of survey scenes: radius, Sersic index and axis ratio, drawn together.

With a folder of catalogues of fits (docs/scenes.md) the shapes are those of galaxies in COSMOS; without one they are drawn from
distributions that resemble them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shape", "ShapePriors", "read_shape_priors"]

RADIUS_ARCSEC, RADIUS_DEX = 0.35, 0.28
INDEX, INDEX_DEX = 1.4, 0.25
INDEX_RANGE = (0.5, 6.0)
THINNEST = 0.15


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape of a galaxy: effective radius along the long axis (arcsec), Sersic index, axis ratio."""

    radius_arcsec: float
    index: float
    q: float


@dataclass(frozen=True, slots=True, eq=False)
class ShapePriors:
    """Catalogue of shapes, and measured point spread functions.

    Attributes
    ----------
    shapes : ndarray, shape (n, 3)
        Radius (arcsec), index, axis ratio; n may be 0.
    psfs : tuple of ndarray, shape (k, k)
        Of HST/ACS.
    """

    shapes: NDArray[np.float64]
    psfs: tuple[NDArray[np.float64], ...] = ()

    @classmethod
    def without_catalogue(cls) -> ShapePriors:
        """Return priors without a catalogue and without measured point spread functions."""
        return cls(np.empty((0, 3)))

    def draw(self, rng: np.random.Generator) -> Shape:
        """Draw a shape."""
        if len(self.shapes):
            radius, index, q = self.shapes[int(rng.integers(len(self.shapes)))].tolist()
        else:
            radius = RADIUS_ARCSEC * 10 ** rng.normal(0, RADIUS_DEX)
            index, q = INDEX * 10 ** rng.normal(0, INDEX_DEX), rng.beta(2.5, 1.6)
        return Shape(radius, min(max(index, INDEX_RANGE[0]), INDEX_RANGE[1]), max(q, THINNEST))


def read_shape_priors(folder: Path, *, number: int, held_out: bool) -> ShapePriors:
    """Read the catalogues and point spread functions of a folder, or return priors without a catalogue if it does not exist.

    Parameters
    ----------
    folder : Path
        The folder that `backend.heads.structure.priors.read_priors` reads.
    number : int
        0 or 1: of the held-out galaxies and point spread functions, the part with even or with odd numbers.
    held_out : bool
        Whether to return the galaxies and point spread functions that are held out from training, or all others.
    """
    if not folder.is_dir():
        return ShapePriors.without_catalogue()
    from backend.heads.structure.priors import read_priors  # reads FITS files, which most scenes do not need

    priors = read_priors(folder, held_out=held_out)
    own = slice(number, None, 2) if held_out else slice(None)
    return ShapePriors(priors.shapes[own], tuple(psf.pixels for psf in priors.psfs[own]))
