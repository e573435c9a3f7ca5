"""Objects to click on for the proof: people's outlines of real galaxies, and galaxies of scenes, blends apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage, WindowEncoder, WindowFeatures
from backend.lvm.tiles import Tile
from backend.scenes.folders import Part, generator_of
from benchmarks.shipped_weights.base_segmenter_examples import outlined_galaxies
from sync.geometry.shapes import Mask, Size

__all__ = ["Object", "StoredImage", "objects_of", "outlines", "scenes"]

SIDES = (128, 256, 400)
OBJECTS_A_SCENE = 4
LEAST_AREA_PX = 40
FIRST_SEED: dict[Part, int] = {"train": 3_000_000, "val": 2_000_000, "test": 1_000_000}
"""Parts have other galaxies and frames, but one seed and side lay down the same simulated ones: a third of all objects.

The shipped head has seen lower seeds.
"""


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """A picture, shape (height, width, 3), in [0, 1], and its objects.

    Attributes
    ----------
    sight : PictureSight
        Each window is looked at once and kept in memory: a mask depends on what was seen, not on when.
    masks : tuple of ndarray of bool, shape (height, width)
    blended : tuple of bool
        Whether each object shares pixels with another one.
    """

    pixels: NDArray[np.float32]
    windowed_image: WindowedImage
    masks: tuple[Mask, ...]
    blended: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """An object to be outlined: its picture, the picture's number, its mask, whether it is blended."""

    picture: StoredImage
    number: int
    mask: Mask
    blended: bool


class _Remembered:
    """A window encoder that looks at each window of its one picture once."""

    def __init__(self, encoder: WindowEncoder) -> None:
        self._encoder = encoder
        self._seen: dict[Tile, WindowFeatures] = {}
        self.fingerprint, self.shown_px = encoder.fingerprint, encoder.shown_px

    def sides(self, size: Size) -> tuple[int, ...]:
        return self._encoder.sides(size)

    def encode(self, pixels: NDArray[np.float32], window: Tile) -> WindowFeatures:
        if window not in self._seen:
            self._seen[window] = self._encoder.encode(pixels, window)
        return self._seen[window]


def outlines(data: Path, part: Part, encoder: WindowEncoder) -> list[StoredImage]:
    """Real galaxies and people's outlines of them."""
    return [_picture(one.pixels, [one.mask], [False], encoder) for one in outlined_galaxies(data, part)]


def scenes(data: Path, part: Part, encoder: WindowEncoder, *, count: int) -> Iterator[StoredImage]:
    """The first scenes of a part that hold an object which is no speck."""
    generator, seed = generator_of(data, part=part), FIRST_SEED[part]
    while count:
        scene = generator.draw(seed, SIDES[seed % len(SIDES)])
        seed += 1
        fine = [index for index, mask in enumerate(scene.masks) if mask.sum() >= LEAST_AREA_PX][:OBJECTS_A_SCENE]
        if fine:
            count -= 1
            yield _picture(scene.image, [scene.masks[i] for i in fine], [bool(scene.blended[i]) for i in fine], encoder)


def objects_of(pictures: Sequence[StoredImage]) -> list[Object]:
    """All objects of pictures, in order."""
    return [
        Object(picture, number, mask, blended)
        for number, picture in enumerate(pictures)
        for mask, blended in zip(picture.masks, picture.blended, strict=True)
    ]


def _picture(pixels: NDArray[np.float32], masks: list[Mask], blended: list[bool], encoder: WindowEncoder) -> StoredImage:
    windowed_image = CachedWindowEncoder(_Remembered(encoder), None).of_pixels(pixels)
    return StoredImage(pixels, windowed_image, tuple(masks), tuple(blended))
