"""Deep fields of a space telescope: very many compact galaxies of all colours, and few stars.

Their galaxies are often smaller than the point spread function, with Sersic indices up to those of ellipticals. The spikes of
a star may lie at another angle in each band, since the bands are often exposed at different times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from backend.scenes.contents import Place, PlacedObject, SceneObjects
from backend.scenes.cutouts import GalaxyCutout
from backend.scenes.shapes import ShapePriors
from backend.scenes.surveys import Survey

__all__ = ["DEEP_FIELD", "DeepFieldObjects"]

DEEP_FIELD = Survey(
    "HST deep field F814W", 0.1, (0.13, 0.26), 25.5, (0.008, 0.03), (4.0, 10.0), correlation_px=(0.0, 0.7), is_space=True
)
DENSITIES, STAR_DENSITY = (4.0, 24.0), 0.15
"""Range of the mean number of galaxies, and mean number of stars, in units of those of other survey scenes."""
BRIGHTER = 4.0
"""Factor of the surface brightness of galaxies, which deep fields see far above their noise."""
COMPACT_SHARE = 0.8
COMPACT_RADIUS, COMPACT_SCATTER, SMALLEST_RADIUS_PX = 0.55, 0.7, 0.2
"""Median effective radius of compact galaxies in units of the FWHM, its logarithmic scatter, and the smallest one."""
COLOUR_MEAN, COLOUR_SCATTER = -0.15, 0.3


@dataclass(frozen=True, slots=True, eq=False)
class DeepFieldObjects(SceneObjects):
    """What the objects of one deep field have in common."""

    spikes_turn: ClassVar[bool] = True

    def draw_stars(self, rng: np.random.Generator, area: float) -> list[PlacedObject]:
        """Draw the stars of a scene; `area` is its area in units of 256 x 256 px."""
        return SceneObjects.draw_stars(self, rng, STAR_DENSITY * area)

    def draw_galaxies(
        self, rng: np.random.Generator, area: float, *, priors: ShapePriors, cutouts: Sequence[GalaxyCutout]
    ) -> list[PlacedObject]:
        """Draw the galaxies of a scene, some with companions; `area` is its area in units of 256 x 256 px."""
        density = math.exp(rng.uniform(*np.log(DENSITIES)))
        return SceneObjects.draw_galaxies(self, rng, density * area, priors=priors, cutouts=cutouts)

    def _draw_radius(self, rng: np.random.Generator, priors: ShapePriors) -> float:
        if rng.random() >= COMPACT_SHARE:
            return SceneObjects._draw_radius(self, rng, priors)
        return max(COMPACT_RADIUS * self.fwhm * math.exp(rng.normal(0, COMPACT_SCATTER)), SMALLEST_RADIUS_PX)

    def _draw_galaxy(
        self,
        rng: np.random.Generator,
        place: Place,
        size: tuple[float, float],
        priors: ShapePriors,
        cutouts: Sequence[GalaxyCutout],
    ) -> PlacedObject:
        """Draw a galaxy of another colour; one below the point spread function is as bright as one of its size."""
        radius, brightness = size
        brightness *= BRIGHTER * max(self.fwhm / (2 * radius), 1.0) ** 2
        galaxy = SceneObjects._draw_galaxy(self, rng, place, (radius, brightness), priors, cutouts)
        colour = np.exp(np.asarray([1.0, 0.0, -1.5]) * rng.normal(COLOUR_MEAN, COLOUR_SCATTER))
        return replace(galaxy, light=galaxy.light * (colour / colour.mean()).astype(np.float32))
