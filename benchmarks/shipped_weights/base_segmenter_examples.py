"""Training windows of the segmenter: objects of scenes and of survey scenes, and outlines of real galaxies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """

    outlines: float
    survey: float


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
            survey_scene = self._survey_generator.draw(seed, _draw_side(rng, SURVEY_SIDES))
            pixels, masks = survey_scene.image, choose_objects(survey_scene, rng)
        else:
            scene = self._generator.draw(seed, _draw_side(rng, SCENE_SIDES))
            pixels, masks = scene.image, list(scene.masks)
        footprints = [Footprint.of_mask(mask) for mask in masks if mask.any()]
        if not footprints:
            return None
        index = 0 if mix.outlines <= kind < mix.outlines + mix.survey else int(rng.integers(len(footprints)))
        return example_of(self._window_encoder.of_pixels(pixels), footprints, index, config=self._config, rng=rng)


def choose_objects(scene: SurveyScene, rng: np.random.Generator) -> list[Mask]:
    """Return the masks of at most `SURVEY_OBJECTS` galaxies of a scene; the first is that of the example, often a blend."""
    if not len(scene):
        return []
    blends = np.flatnonzero(scene.is_blended)
    first = int(rng.choice(blends)) if len(blends) and rng.random() < BLEND_SHARE else int(rng.integers(len(scene)))
    others = [index for index in rng.permutation(len(scene)).tolist() if index != first]
    others.sort(key=lambda index: not scene.is_blended[index])
    return [scene.masks[index] for index in (first, *others)[:SURVEY_OBJECTS]]


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
