"""Objects of a survey scene: where its stars and galaxies lie, how large they are, and how bright."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from backend.scenes.cutouts import GalaxyCutout
from backend.scenes.galaxies import draw_form
from backend.scenes.shapes import Shape, ShapePriors
from backend.scenes.stamp import Stamp, Window
from backend.scenes.stars import draw_point_source
from backend.scenes.surveys import Survey

__all__ = ["COMPANION_SHARE", "Place", "PlacedObject", "SceneObjects"]

Place = tuple[float, float]
MEAN_GALAXIES, MEAN_STARS = 9.0, 7.0
"""Mean numbers in a scene of 256 px."""
CLUSTER_SHARE = 0.08
"""Share of the scenes with a group of galaxies in one half of the picture."""
COMPANION_SHARE = 0.4
"""Share of the galaxies with a companion that may overlap with them."""
APART = (0.35, 1.3)
"""Distance of a companion, as a share of the sum of both outlines' radii; it is at least one FWHM."""
RADII_PX, RADIUS_SLOPE = (1.7, 34.0), -1.5
CATALOGUE_SHARE = 0.4
"""Share of the radii that are those of the catalogue; the others follow a power law in pixels, as of nearby galaxies."""
NEARBY = 3.0
"""Factor by which catalogue galaxies of a survey with pixels above 0.3 arcsec are enlarged: such a survey sees nearer ones."""
BRIGHTNESS = (1.0, 120.0)
BRIGHTNESS_SLOPE = -1.75
"""Range of the mean surface brightness within the effective radius, in units of the noise of a pixel, and the exponent of the
power law of its distribution."""
COMPANION_FAINTEST = 0.25
CUTOUT_SHARE, SMALLEST_CUTOUT_PX, CUTOUT_SHRINK = 0.4, 3.0, 0.6
COLOUR_SCATTER = 0.2
OUTLINE_PER_RADIUS = 1.9
FWHM_PER_SIGMA = 2.355
STAR_PEAKS, STAR_SLOPE = (3.0, 4e4), 0.6
"""Range of the peaks of stars, in units of the noise, and the slope of their counts."""
BRIGHT_STAR_SHARE = 0.15
"""Share of the scenes with an additional bright star."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedObject:
    """The light of one object in a scene.

    Attributes
    ----------
    light : ndarray of float32, shape (h, w, 3)
    window : (rows, columns)
        Place of `light` in the scene.
    centre : (x, y)
        Pixels of the scene; the centre of the first pixel is 0.5.
    kind : str
        "star", "simulated" or "cutout".
    """

    light: NDArray[np.float32]
    window: Window
    centre: Place
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class SceneObjects:
    """What the objects of one scene have in common.

    Attributes
    ----------
    survey : Survey
    psf : ndarray, shape (k, k)
    fwhm : float
        Pixels.
    noise : float
        Standard deviation of a pixel in the mean of the bands, light.
    side : int
        Pixels.
    companion_share : float
        Share of the galaxies with a companion that may overlap with them.
    spikes_turn : bool
        Whether the spikes of a star may lie at another angle in each band.
    """

    spikes_turn: ClassVar[bool] = False

    survey: Survey
    psf: NDArray[np.float32]
    fwhm: float
    noise: float
    side: int
    companion_share: float = COMPANION_SHARE

    def draw_stars(self, rng: np.random.Generator, area: float) -> list[PlacedObject]:
        """Draw the stars of a scene; `area` is its area in units of 256 x 256 px."""
        peaks = [
            _power_law(rng, *STAR_PEAKS, -1 - STAR_SLOPE) for _ in range(rng.poisson(MEAN_STARS * area * rng.gamma(2, 0.5)))
        ]
        if rng.random() < BRIGHT_STAR_SHARE:
            peaks.append(math.exp(rng.uniform(*np.log([1e3, 2e4]))))
        stars = []
        for peak in peaks:
            stamp = draw_point_source(rng, self.psf, fwhm=self.fwhm, peak=peak * self.noise, spikes_turn=self.spikes_turn)
            stars.append(self._place(stamp, self._anywhere(rng), "star"))
        return stars

    def draw_galaxies(
        self, rng: np.random.Generator, area: float, *, priors: ShapePriors, cutouts: Sequence[GalaxyCutout]
    ) -> list[PlacedObject]:
        """Draw the galaxies of a scene, some with companions; `area` is its area in units of 256 x 256 px."""
        objects: list[PlacedObject] = []
        count = 1 + rng.poisson(MEAN_GALAXIES * area * rng.gamma(2, 0.5))
        in_cluster = rng.random() < CLUSTER_SHARE
        middle, spread = self._anywhere(rng), self.side * rng.uniform(0.08, 0.25)
        for _ in range(2 * count if in_cluster else count):
            place = (rng.normal(middle[0], spread), rng.normal(middle[1], spread)) if in_cluster else self._anywhere(rng)
            radius, brightness = self._draw_radius(rng, priors), _power_law(rng, *BRIGHTNESS, BRIGHTNESS_SLOPE)
            objects.append(self._draw_galaxy(rng, place, (radius, brightness), priors, cutouts))
            if rng.random() < self.companion_share:
                other = max(radius * math.exp(rng.uniform(-1.2, 0.3)), RADII_PX[0])
                apart = max(rng.uniform(*APART) * (OUTLINE_PER_RADIUS * (radius + other) + self.fwhm), self.fwhm)
                angle = rng.uniform(0, 2 * math.pi)
                beside = (place[0] + apart * math.cos(angle), place[1] + apart * math.sin(angle))
                faintest = max(COMPANION_FAINTEST * brightness, BRIGHTNESS[0])
                its_brightness = math.exp(rng.uniform(math.log(faintest), math.log(3 * brightness + 1)))
                objects.append(self._draw_galaxy(rng, beside, (other, its_brightness), priors, cutouts))
        return objects

    def _draw_radius(self, rng: np.random.Generator, priors: ShapePriors) -> float:
        """Draw an effective radius along the long axis, pixels."""
        if rng.random() >= CATALOGUE_SHARE:
            return _power_law(rng, *RADII_PX, RADIUS_SLOPE)
        nearer = NEARBY if self.survey.pixel_arcsec > 0.3 else 1.0
        return min(max(priors.draw(rng).radius_arcsec * nearer / self.survey.pixel_arcsec, 1.0), RADII_PX[1])

    def _draw_galaxy(
        self,
        rng: np.random.Generator,
        place: Place,
        size: tuple[float, float],
        priors: ShapePriors,
        cutouts: Sequence[GalaxyCutout],
    ) -> PlacedObject:
        """Draw a galaxy of a size: effective radius, and mean surface brightness within it in units of the noise."""
        radius, brightness = size
        outline = radius * OUTLINE_PER_RADIUS
        if cutouts and outline >= SMALLEST_CUTOUT_PX and rng.random() < CUTOUT_SHARE:
            cutout = cutouts[int(rng.integers(len(cutouts)))]
            outline = min(outline, CUTOUT_SHRINK * cutout.radius)
            stamp = cutout.draw(rng, radius=outline, psf=self.fwhm / FWHM_PER_SIGMA)
            flux = brightness * self.noise * 2 * math.pi * (outline / OUTLINE_PER_RADIUS) ** 2
            scale = np.float32(flux / max(float(stamp.light.mean(axis=2).sum()), 1e-9))
            tilt = rng.normal(0, COLOUR_SCATTER)
            colour = np.exp([tilt, 0.0, -1.5 * tilt])
            light = stamp.light * scale * (colour / colour.mean()).astype(np.float32)
            return self._place(Stamp(light, stamp.centre), place, "cutout")
        return self._place(self._draw_simulated(rng, priors.draw(rng), radius, brightness), place, "simulated")

    def _draw_simulated(self, rng: np.random.Generator, shape: Shape, radius: float, brightness: float) -> Stamp:
        half = min(math.ceil((4 + shape.index) * radius + len(self.psf) // 2), round(0.75 * self.side) + 8)
        shift = (rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5))
        form = draw_form(rng, shape, radius=radius, half=half, shift=shift)
        flux = sum(float(plane.sum()) for plane, _ in form)
        scale = np.float32(brightness * self.noise * 2 * math.pi * shape.q * radius**2 / flux)
        light = np.zeros((2 * half + 1, 2 * half + 1, 3), np.float32)
        for plane, colour in form:
            blurred_plane = fftconvolve(plane, self.psf, mode="same").astype(np.float32).clip(0)
            light += (blurred_plane * scale)[..., None] * colour
        return Stamp(light, (half + shift[0], half + shift[1]))

    def _place(self, stamp: Stamp, place: Place, kind: str) -> PlacedObject:
        light, window = stamp.place(*place, side=self.side)
        left, top = round(place[0] - stamp.centre[0]), round(place[1] - stamp.centre[1])
        return PlacedObject(light, window, (left + stamp.centre[0] + 0.5, top + stamp.centre[1] + 0.5), kind)

    def _anywhere(self, rng: np.random.Generator) -> Place:
        return rng.uniform(0, self.side), rng.uniform(0, self.side)


def _power_law(rng: np.random.Generator, low: float, high: float, slope: float) -> float:
    """Draw a number between `low` and `high` from a power law with exponent `slope`, which must not be -1."""
    a, b = low ** (slope + 1), high ** (slope + 1)
    return float((a + (b - a) * rng.random()) ** (1 / (slope + 1)))
