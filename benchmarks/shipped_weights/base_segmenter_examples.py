"""Training windows of the segmenter: objects of scenes and of survey scenes, and outlines of real galaxies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.heads.segmentation.lvm_window_encoder import LvmWindows
from backend.heads.segmentation.project_examples import example_of
from backend.heads.segmentation.training import WindowExample
from backend.heads.segmentation.window_features import CachedWindowEncoder
from backend.scenes.exposures import SurveySceneGenerator
from backend.scenes.folders import Part, generator_of, list_outlines, survey_generator_of
from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import SurveyScene
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask

SCENE_SIDES, SURVEY_SIDES = (96, 384), (96, 288)
BLEND_SHARE = 0.6
"""Share of the survey scenes with blends in which the object of the example is one; among all galaxies, one in five is."""
LEAST_OVERLAP = 0.1
"""Smallest overlap (`SurveyScene.overlap`) of an object that is chosen for it."""
DRAWS, SEEDS_A_DRAW = 4, 100_000_000
"""Largest number of scenes drawn to find such an object, and the difference of their seeds."""
SURVEY_OBJECTS = 3
"""Largest number of objects of an example of a survey scene: the time of a step is proportional to it."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of examples; the rest are objects of scenes (`backend.scenes.generator`).

    Attributes
    ----------
    outlines : float
        Share of annotators' outlines of real galaxies.
    survey : float
        Share of objects of survey scenes (`backend.scenes.exposures`).
    overlapping : float
        Share of the objects of survey scenes that are chosen for their overlap with another galaxy, from scenes in which each
        galaxy has a companion.
    """

    outlines: float
    survey: float
    overlapping: float = 0.0


@dataclass(frozen=True)
class Outlined:
    """A real image, shape (h, w, 3), in [0, 1], and an annotator's outline, shape (h, w)."""

    pixels: NDArray[np.float32]
    mask: NDArray[np.bool_]


def outlined_galaxies(data: Path, part: Part) -> list[Outlined]:
    """Return the galaxies of a part of the outlines."""
    return [
        Outlined(np.asarray(Image.open(file).convert("RGB"), np.float32) / np.float32(255), np.asarray(Image.open(mask)) > 0)
        for file, mask in list_outlines(data / "masks", part=part)
    ]


class Windows:
    """Draws examples from scenes, survey scenes and outlines of the train part."""

    def __init__(self, data: Path, encoder: LvmWindows) -> None:
        self._window_encoder, self._config = CachedWindowEncoder(encoder, None), encoder.config
        self._generator: SceneGenerator = generator_of(data, part="train")
        self._survey_generator: SurveySceneGenerator = survey_generator_of(data, part="train")
        self._crowded_generator = replace(self._survey_generator, companion_share=1.0)
        self._galaxies: Sequence[Outlined] = outlined_galaxies(data, "train")

    def endless(self, first_seed: int, mix: Mix) -> Iterator[WindowExample]:
        """Yield examples of consecutive seeds without end."""
        seed = first_seed
        while True:
            example = self.draw(seed, mix)
            seed += 1
            if example is not None:
                yield example

    def draw(self, seed: int, mix: Mix) -> WindowExample | None:
        """Return the example of a seed; None if its image has no visible object."""
        rng = np.random.default_rng([2, seed])
        kind = rng.random()
        if kind < mix.outlines:
            galaxy = rotate(self._galaxies[int(rng.integers(len(self._galaxies)))], rng)
            pixels, masks = galaxy.pixels, [galaxy.mask]
        elif kind < mix.outlines + mix.survey:
            is_crowded = mix.overlapping > 0 and rng.random() < mix.overlapping
            survey_scene = self._draw_crowded(seed, rng) if is_crowded else self._draw_survey(seed, rng)
            pixels, masks = survey_scene.image, choose_objects(survey_scene, rng, overlapping=is_crowded)
        else:
            scene = self._generator.draw(seed, _draw_side(rng, SCENE_SIDES))
            pixels, masks = scene.image, list(scene.masks)
        footprints = [Footprint.of_mask(mask) for mask in masks if mask.any()]
        if not footprints:
            return None
        index = 0 if mix.outlines <= kind < mix.outlines + mix.survey else int(rng.integers(len(footprints)))
        return example_of(self._window_encoder.of_pixels(pixels), footprints, index, config=self._config, rng=rng)

    def _draw_survey(self, seed: int, rng: np.random.Generator) -> SurveyScene:
        return self._survey_generator.draw(seed, _draw_side(rng, SURVEY_SIDES))

    def _draw_crowded(self, seed: int, rng: np.random.Generator) -> SurveyScene:
        """Draw scenes until one has an overlapping object, at most `DRAWS`."""
        for number in range(DRAWS):
            scene = self._crowded_generator.draw(seed + number * SEEDS_A_DRAW, _draw_side(rng, SURVEY_SIDES))
            if len(_overlapping(scene)):
                break
        return scene


def choose_objects(scene: SurveyScene, rng: np.random.Generator, *, overlapping: bool = False) -> list[Mask]:
    """Return the masks of at most `SURVEY_OBJECTS` galaxies of a scene; the first is that of the example.

    It is often a blend; with `overlapping`, one with an overlap of at least `LEAST_OVERLAP` if there is one.
    """
    if not len(scene):
        return []
    blends = np.flatnonzero(scene.is_blended)
    if overlapping and len(indices := _overlapping(scene)):
        blends = indices
    is_blend = len(blends) and (overlapping or rng.random() < BLEND_SHARE)
    first = int(rng.choice(blends)) if is_blend else int(rng.integers(len(scene)))
    others = [index for index in rng.permutation(len(scene)).tolist() if index != first]
    others.sort(key=lambda index: not scene.is_blended[index])
    return [scene.masks[index] for index in (first, *others)[:SURVEY_OBJECTS]]


def _overlapping(scene: SurveyScene) -> NDArray[np.intp]:
    return np.flatnonzero(scene.is_blended & (scene.overlap >= LEAST_OVERLAP))


def _draw_side(rng: np.random.Generator, sides: tuple[int, int]) -> int:
    return round(float(np.exp(rng.uniform(*np.log(sides)))))


def rotate(galaxy: Outlined, rng: np.random.Generator) -> Outlined:
    """Return a galaxy and its outline in one of eight orientations with a random brightness; pixels are not resampled."""
    turns, is_mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def place(array: NDArray[Any]) -> NDArray[Any]:
        quarter = np.rot90(array, turns)
        return np.ascontiguousarray(quarter[:, ::-1] if is_mirrored else quarter)

    relit = place(galaxy.pixels) * np.float32(10 ** rng.uniform(-0.15, 0.1)) * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    mask: Mask = place(galaxy.mask)
    return Outlined(relit.clip(0, 1), mask)
