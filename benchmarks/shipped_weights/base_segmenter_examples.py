"""Training windows of the segmenter: objects of scenes and outlines of real galaxies, with simulated prompts."""

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
from backend.scenes.folders import Part, generator_of, list_outlines
from backend.scenes.generator import SceneGenerator
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Mask

OUTLINE_SHARE = 0.5
SCENE_SIDES = (96, 384)


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
    """Draws examples from scenes and outlines of the train part."""

    def __init__(self, data: Path, encoder: LvmWindows) -> None:
        self._window_encoder, self._config = CachedWindowEncoder(encoder, None), encoder.config
        self._generator: SceneGenerator = generator_of(data, part="train")
        self._galaxies: Sequence[Outlined] = outlined_galaxies(data, "train")

    def endless(self, first_seed: int) -> Iterator[WindowExample]:
        """Yield examples of consecutive seeds without end."""
        seed = first_seed
        while True:
            example = self.draw(seed)
            seed += 1
            if example is not None:
                yield example

    def draw(self, seed: int) -> WindowExample | None:
        """Return the example of a seed; None if its image has no visible object."""
        rng = np.random.default_rng([2, seed])
        if rng.random() < OUTLINE_SHARE:
            galaxy = rotate(self._galaxies[int(rng.integers(len(self._galaxies)))], rng)
            pixels, masks = galaxy.pixels, [galaxy.mask]
        else:
            scene = self._generator.draw(seed, round(float(np.exp(rng.uniform(*np.log(SCENE_SIDES))))))
            pixels, masks = scene.image, list(scene.masks)
        footprints = [Footprint.of_mask(mask) for mask in masks if mask.any()]
        if not footprints:
            return None
        index = int(rng.integers(len(footprints)))
        return example_of(self._window_encoder.of_pixels(pixels), footprints, index, config=self._config, rng=rng)


def rotate(galaxy: Outlined, rng: np.random.Generator) -> Outlined:
    """Return a galaxy and its outline in one of eight orientations with a random brightness; pixels are not resampled."""
    turns, is_mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def place(array: NDArray[Any]) -> NDArray[Any]:
        quarter = np.rot90(array, turns)
        return np.ascontiguousarray(quarter[:, ::-1] if is_mirrored else quarter)

    relit = place(galaxy.pixels) * np.float32(10 ** rng.uniform(-0.15, 0.1)) * np.exp(rng.normal(0, 0.05, 3)).astype(np.float32)
    mask: Mask = place(galaxy.mask)
    return Outlined(relit.clip(0, 1), mask)
