"""The scene generator: draws one reproducible scene per seed."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.scenes.composition import Composition
from backend.scenes.cutouts import GalaxyCutout
from backend.scenes.galaxies import draw_galaxy
from backend.scenes.light import SOFTENING, to_image
from backend.scenes.scene import Scene
from backend.scenes.skies import FrameSky, SyntheticSky
from backend.scenes.stars import draw_star

__all__ = ["SceneGenerator", "expose"]

REFERENCE_PX = 256
"""Side of the scene for which the mean counts below hold, pixels."""
MEAN_GALAXIES, MEAN_STARS = 8.0, 9.0
EMPTY_SHARE = 0.03
RADII_PX = (1.7, 34.0)
RADIUS_SLOPE = -1.5
"""Exponent of the power law of the number of galaxies per unit of radius."""
PSF_PX = (0.9, 2.2)
CUTOUT_SHARE, FRAME_SHARE, MERGER_SHARE = 0.5, 0.6, 0.06
OUTLINE_PER_RADIUS = 1.9
"""Approximate radius of the outline of a simulated galaxy, in effective radii."""
SMALLEST_CUTOUT_PX = 5.0
JPEG_SHARE, JPEG_QUALITY = 0.8, (75, 96)


@dataclass(frozen=True, slots=True, eq=False)
class SceneGenerator:
    """Draws scenes from real cut-outs and survey frames; without them, everything is simulated.

    Attributes
    ----------
    cutouts : sequence of GalaxyCutout
        Real galaxies; a fraction `CUTOUT_SHARE` of all galaxies large enough for a cut-out are drawn from these.
    frames : sequence of FrameSky
        Real skies; a fraction `FRAME_SHARE` of all scenes use these.
    stream : int
        Number of the random stream: generators with different streams draw different scenes for the same seed.
    """

    cutouts: Sequence[GalaxyCutout] = ()
    frames: Sequence[FrameSky] = ()
    stream: int = 0

    def draw(self, seed: int, side: int = REFERENCE_PX) -> Scene:
        """Draw the scene of a seed; it depends on nothing but the seed, the side, the stream, the cut-outs and the frames.

        Parameters
        ----------
        seed : int
            Not negative.
        side : int
            Side of the square image, pixels; at least 32.

        Raises
        ------
        ValueError
            If `side` is less than 32.
        """
        if side < 32:
            raise ValueError(f"a scene needs at least 32 pixels a side, not {side}")
        rng = np.random.default_rng([self.stream, seed] if self.stream else seed)
        on_frame = len(self.frames) > 0 and rng.random() < FRAME_SHARE
        sky = self.frames[int(rng.integers(len(self.frames)))] if on_frame else SyntheticSky()
        psf = 1.4 if on_frame else math.exp(rng.uniform(*np.log(PSF_PX)))
        crowding = (side / REFERENCE_PX) ** 2 * rng.gamma(2, 0.5)
        composition = Composition.on(sky.draw(rng, side))
        for _ in range(rng.poisson(MEAN_STARS * crowding * (0.3 if on_frame else 1))):
            composition.add_star(draw_star(rng, psf=psf), _anywhere(rng, side))
        galaxies = 0 if rng.random() < EMPTY_SHARE else 1 + rng.poisson((MEAN_GALAXIES - 1) * crowding)
        for _ in range(galaxies):
            self._add(rng, composition, psf=psf)
        return composition.finish(expose(rng, composition.light))

    def _add(self, rng: np.random.Generator, composition: Composition, *, psf: float) -> None:
        radius = _power_law(rng, *RADII_PX, RADIUS_SLOPE)
        place = _anywhere(rng, composition.side)
        if rng.random() < MERGER_SHARE:
            sizes = radius, radius * rng.uniform(0.5, 1)
            first, second = (draw_galaxy(rng, radius=max(size, 1.2 * psf), psf=psf) for size in sizes)
            apart, angle = radius * rng.uniform(0.7, 3), rng.uniform(0, 2 * math.pi)
            composition.add_pair(first, second, place, offset=(apart * math.cos(angle), apart * math.sin(angle)))
        elif self.cutouts and radius * OUTLINE_PER_RADIUS >= SMALLEST_CUTOUT_PX and rng.random() < CUTOUT_SHARE:
            cutout = self.cutouts[int(rng.integers(len(self.cutouts)))]
            target = min(radius * OUTLINE_PER_RADIUS, 1.2 * cutout.radius)
            composition.add(cutout.draw(rng, radius=target, psf=psf), place, kind="cutout")
        else:
            composition.add(draw_galaxy(rng, radius=max(radius, 1.2 * psf), psf=psf), place, kind="simulated")


def _anywhere(rng: np.random.Generator, side: int) -> tuple[float, float]:
    return rng.uniform(0, side), rng.uniform(0, side)


def _power_law(rng: np.random.Generator, low: float, high: float, slope: float) -> float:
    """Draw a number between `low` and `high` from a power law with exponent `slope`, which must not be -1."""
    a, b = low ** (slope + 1), high ** (slope + 1)
    return float((a + (b - a) * rng.random()) ** (1 / (slope + 1)))


def expose(rng: np.random.Generator, light: NDArray[np.float32], softening: float = SOFTENING) -> NDArray[np.float32]:
    """Return the survey image of `light`: with photon noise, stretched, in 8 bits, in most cases compressed as JPEG."""
    grain = np.float32(10 ** rng.uniform(-3.6, -2.8))
    photons = np.sqrt(np.maximum(light, np.float32(0)) * grain) * rng.standard_normal(light.shape, dtype=np.float32)
    image = to_image(np.asarray(light + photons, dtype=np.float32), softening)
    grey = np.rint(image * 255).astype(np.uint8)
    if rng.random() < JPEG_SHARE:
        with io.BytesIO() as file:
            Image.fromarray(grey).save(file, "JPEG", quality=int(rng.integers(*JPEG_QUALITY)))
            grey = np.asarray(Image.open(file))
    return grey.astype(np.float32) / np.float32(255)
