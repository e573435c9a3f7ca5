"""Windows to learn outlines from: scenes, and outlines of real galaxies turned, scaled and relit; one seed, one window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch.nn import functional

from backend.heads.segmenter.lvm_windows import LvmWindows
from backend.heads.segmenter.training import Example
from backend.lvm.tiles import Tile
from backend.scenes.folders import Part, generator_of, outlined
from backend.scenes.generator import SceneGenerator

SIDE = LvmWindows.shown_px
OUTLINE_SHARE = 0.4
SCENE_SIDES = (96, 384)
LEAST_POINTS = 12
FILLS = (0.12, 0.95)
"""An outlined galaxy's longer side takes a share of the window between these."""


@dataclass(frozen=True)
class Outlined:
    """A real picture, shape (h, w, 3), in [0, 1], and a person's outline, shape (h, w)."""

    pixels: NDArray[np.float32]
    mask: NDArray[np.bool_]


def outlined_galaxies(data: Path, part: Part) -> list[Outlined]:
    """The galaxies of a part of the outlines."""
    return [
        Outlined(np.asarray(Image.open(picture).convert("RGB"), np.float32) / 255, np.asarray(Image.open(mask)) > 0)
        for picture, mask in outlined(data / "masks", part=part)
    ]


class Windows:
    """Draws examples from scenes and outlines of the train part."""

    def __init__(self, data: Path, encoder: LvmWindows) -> None:
        self._encoder = encoder
        self._generator: SceneGenerator = generator_of(data, part="train")
        self._galaxies: Sequence[Outlined] = outlined_galaxies(data, "train")

    def endless(self, first_seed: int) -> Iterator[Example]:
        """Examples of one seed after another."""
        seed = first_seed
        while True:
            example = self.draw(seed)
            seed += 1
            if len(example.masks):
                yield example

    def draw(self, seed: int) -> Example:
        """The window of a seed."""
        rng = np.random.default_rng([1, seed])
        if rng.random() < OUTLINE_SHARE:
            return self._example(*turned(self._galaxies[int(rng.integers(len(self._galaxies)))], rng))
        side = round(float(np.exp(rng.uniform(*np.log(SCENE_SIDES)))))
        scene = self._generator.draw(seed, side)
        return self._example(scene.image, scene.masks)

    def _example(self, pixels: NDArray[np.float32], masks: NDArray[np.bool_]) -> Example:
        side, points = max(pixels.shape[:2]), self._encoder.config.points
        seen = self._encoder.see(pixels, Tile(0, 0, pixels.shape[1], pixels.shape[0], SIDE / side))
        shares = functional.interpolate(torch.from_numpy(masks[None].astype(np.float32)), size=(points, points), mode="area")[0]
        return Example(seen, shares[(shares >= 0.5).sum(dim=(1, 2)) >= LEAST_POINTS])


def turned(galaxy: Outlined, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A galaxy and its outline, shape (1, h, w), turned, mirrored, scaled, shifted and relit."""
    rows, columns = np.nonzero(galaxy.mask)
    longer = max(np.ptp(rows), np.ptp(columns)) + 1
    scale = float(np.exp(rng.uniform(*np.log(FILLS)))) * SIDE / longer
    angle, flip = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    backward = np.array([[np.cos(angle), np.sin(angle)], [-flip * np.sin(angle), flip * np.cos(angle)]]) / scale
    radius = longer * scale / 2
    room = max(SIDE / 2 - 0.7 * radius, 0)
    place = SIDE / 2 + rng.uniform(-room, room, 2)
    offset = np.array([rows.mean(), columns.mean()]) - backward @ place
    blur = max(0.5 / scale - 0.5, 0)
    pixels = np.empty((SIDE, SIDE, 3), np.float32)
    for band in range(3):
        plane = ndimage.gaussian_filter(galaxy.pixels[..., band], blur) if blur > 0.2 else galaxy.pixels[..., band]
        pixels[..., band] = ndimage.affine_transform(
            plane, backward, offset, output_shape=pixels.shape[:2], order=1, mode="constant", cval=float(np.median(plane))
        )
    mask = ndimage.affine_transform(
        galaxy.mask.astype(np.float32), backward, offset, output_shape=pixels.shape[:2], order=1, mode="constant"
    )
    relit = pixels * np.float32(10 ** rng.uniform(-0.25, 0.15)) * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32)
    relit += rng.normal(0, 10 ** rng.uniform(-2.6, -1.6), relit.shape).astype(np.float32) + np.float32(rng.uniform(0, 0.03))
    return relit.clip(0, 1), mask[None] >= 0.5
