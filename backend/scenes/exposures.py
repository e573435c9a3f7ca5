"""Survey scenes: simulated pictures of several surveys, in which each pixel belongs to the object that emits most of its light.

They contain blends, galaxies of low surface brightness, and bright stars with haloes and spikes. Their masks are defined by the
light of the objects (`backend.scenes.ownership`) and not by source extraction, as those of `backend.scenes.generator` are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from backend.scenes.contents import COMPANION_SHARE, PlacedObject, SceneObjects
from backend.scenes.cutouts import GalaxyCutout
from backend.scenes.deep_field import DEEP_FIELD, DeepFieldObjects
from backend.scenes.generator import expose
from backend.scenes.ownership import divide_light
from backend.scenes.scene import SurveyScene
from backend.scenes.shapes import ShapePriors
from backend.scenes.skies import FrameSky
from backend.scenes.surveys import SURVEYS, Survey, draw_psf
from sync.images.background import median_and_spread

__all__ = ["ISOPHOTE_SIGMA", "LEAST_SNR", "Exposure", "SurveySceneGenerator"]

ISOPHOTE_SIGMA = 2.0
"""The stated surface brightness of masks, in standard deviations of the sky in a pixel: 0.75 mag/arcsec^2 brighter than
`Survey.noise_mag`."""
LEAST_SNR, LEAST_AREA_PX = 5.0, 8
"""Smallest signal-to-noise ratio and mask of a listed galaxy. A scene has only the position of fainter ones, and of hidden
ones, whose brightest pixel belongs to another object."""
REFERENCE_PX = 256
FRAME_SHARE = 0.6
"""Share of the scenes of SDSS whose sky is a survey frame."""
SIMULATED_PSF_SHARE = 0.5
"""Share of the deep fields whose point spread function is simulated although there are measured ones."""
EMPTY_SHARE = 0.02
SKY_LEVEL = (1.0, 2.5)
"""Range of the level of a simulated sky in units of its noise; it is 1.5 to 1.9 in cut-outs of SDSS."""


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """A survey scene and what it was drawn from.

    Attributes
    ----------
    scene : SurveyScene
    objects : tuple of PlacedObject
        Stars and galaxies, also those without a mask.
    psf : ndarray, shape (k, k)
        Point spread function.
    """

    scene: SurveyScene
    objects: tuple[PlacedObject, ...]
    psf: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SurveySceneGenerator:
    """Draws survey scenes; without files, everything is simulated.

    Attributes
    ----------
    cutouts : sequence of GalaxyCutout
        Real galaxies, which are scaled down until their noise is negligible.
    frames : sequence of FrameSky
        Skies of SDSS frames.
    priors : ShapePriors
    stream : int
        Number of the random stream: generators with different streams draw different scenes for the same seed.
    deep_share : float
        Share of the scenes that are deep fields (`backend.scenes.deep_field`).
    companion_share : float
        Share of the galaxies with a companion that may overlap with them.
    """

    cutouts: Sequence[GalaxyCutout] = ()
    frames: Sequence[FrameSky] = ()
    priors: ShapePriors = field(default_factory=ShapePriors.without_catalogue)
    stream: int = 0
    deep_share: float = 0.0
    companion_share: float = COMPANION_SHARE

    def draw(self, seed: int, side: int = REFERENCE_PX) -> SurveyScene:
        """Draw the scene of a seed; it depends on nothing but the seed, the side, and the attributes of the generator.

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
        return self.draw_exposure(seed, side).scene

    def draw_exposure(self, seed: int, side: int = REFERENCE_PX) -> Exposure:
        """Draw the scene of a seed, as `draw`; return it with its objects."""
        if side < 32:
            raise ValueError(f"a scene needs at least 32 pixels a side, not {side}")
        rng = np.random.default_rng([7, self.stream, seed])
        is_deep = self.deep_share > 0 and rng.random() < self.deep_share
        survey = DEEP_FIELD if is_deep else SURVEYS[int(rng.integers(len(SURVEYS)))]
        sky, noise, correlation = self._draw_sky(rng, survey, side)
        measured_psfs = () if is_deep and rng.random() < SIMULATED_PSF_SHARE else self.priors.psfs
        psf, fwhm = draw_psf(rng, survey, measured_psfs=measured_psfs)
        contents = (DeepFieldObjects if is_deep else SceneObjects)(survey, psf, fwhm, noise, side, self.companion_share)
        area = (side / REFERENCE_PX) ** 2
        objects = contents.draw_stars(rng, area)
        if rng.random() >= EMPTY_SHARE:
            objects += contents.draw_galaxies(rng, area, priors=self.priors, cutouts=self.cutouts)
        light = sky
        for item in objects:
            rows, columns = item.window
            light[rows, columns] += item.light
        softening = rng.uniform(*survey.softening)
        scene = _finish(objects, expose(rng, light, softening), survey, noise, correlation)
        return Exposure(scene, tuple(objects), psf)

    def _draw_sky(self, rng: np.random.Generator, survey: Survey, side: int) -> tuple[NDArray[np.float32], float, float]:
        """Draw the light of the sky, shape (side, side, 3), its noise in the mean of the bands, and the ratio `correlation`."""
        if self.frames and survey is SURVEYS[0] and rng.random() < FRAME_SHARE:
            sky = self.frames[int(rng.integers(len(self.frames)))].draw(rng, side)
            return sky, max(median_and_spread(sky.mean(axis=2))[1], 1 / 255), 1.0
        noise = math.exp(rng.uniform(*np.log(survey.noise)))
        width = rng.uniform(*survey.correlation_px)
        level = rng.uniform(*SKY_LEVEL) * noise
        shares = rng.uniform(0.6, 1.4, 3)
        shares *= math.sqrt(3 / float((shares**2).sum())) * math.sqrt(3)  # the mean of the bands has the noise `noise`
        planes = rng.standard_normal((3, side, side), dtype=np.float32)
        ratio = 1.0
        if width > 0.2:
            kernel = ndimage.gaussian_filter(np.pad(np.ones((1, 1)), 8), width)
            ratio = 1 / math.sqrt(float((kernel**2).sum()))
            planes = ndimage.gaussian_filter(planes, (0, width, width), truncate=4.0) * np.float32(ratio)
        ramp = np.linspace(-1, 1, side, dtype=np.float32)
        slope = rng.normal(0, 0.15 * noise, 2).astype(np.float32)
        sky = np.stack([plane * np.float32(noise * share) for plane, share in zip(planes, shares, strict=True)], axis=2)
        sky += np.float32(level) * rng.uniform(0.6, 1.4, 3).astype(np.float32)
        sky += (slope[0] * ramp[None] + slope[1] * ramp[:, None])[..., None]
        return sky, noise, ratio


def _finish(
    objects: Sequence[PlacedObject], image: NDArray[np.float32], survey: Survey, noise: float, correlation: float
) -> SurveyScene:
    """Return the scene of these objects with its truth."""
    side = len(image)
    galaxies = [item for item in objects if item.kind != "star"]
    stars = [item for item in objects if item.kind == "star"]
    truth = divide_light(
        _planes(galaxies, side), _planes(stars, side), limit=ISOPHOTE_SIGMA * noise, noise=noise, correlation=correlation
    )
    visible = (truth.snr >= LEAST_SNR) & (truth.masks.sum(axis=(1, 2)) >= LEAST_AREA_PX) & truth.owns_peak
    boxes = [
        (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        for mask in truth.masks[visible]
        for rows, columns in [(np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0)))]
    ]
    return SurveyScene(
        image=image,
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        masks=truth.masks[visible],
        kinds=tuple(item.kind for item, has_mask in zip(galaxies, visible, strict=True) if has_mask),
        is_blended=truth.touches[visible],
        snr=truth.snr[visible],
        overlap=truth.overlap[visible],
        faint_places=np.asarray(
            [item.centre for item, has_mask in zip(galaxies, visible, strict=True) if not has_mask], np.float64
        ).reshape(-1, 2),
        star_places=np.asarray([item.centre for item in stars], np.float64).reshape(-1, 2),
        survey=survey.name,
        surface_brightness=survey.noise_mag - 2.5 * math.log10(ISOPHOTE_SIGMA),
        noise=noise,
    )


def _planes(objects: Sequence[PlacedObject], side: int) -> NDArray[np.float32]:
    """Return the mean of the bands of each object's light, shape (n, side, side)."""
    planes = np.zeros((len(objects), side, side), np.float32)
    for plane, item in zip(planes, objects, strict=True):
        plane[item.window] = item.light.mean(axis=2)
    return planes
