"""Objects of the quality benchmark: annotators' outlines of real galaxies, and galaxies of scenes, with blends marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.heads.segmentation.window_features import CachedWindowEncoder, WindowedImage, WindowEncoder
from backend.scenes.folders import Part, generator_of
from benchmarks.prompts.remembered import RememberedWindows
from benchmarks.shipped_weights.base_segmenter_examples import outlined_galaxies
from sync.geometry.shapes import Mask

__all__ = ["Object", "StoredImage", "objects_of", "outlines", "scenes"]

SIDES = (128, 256, 400)
OBJECTS_A_SCENE = 4
LEAST_AREA_PX = 40
FIRST_SEED: dict[Part, int] = {"train": 3_000_000, "val": 2_000_000, "test": 1_000_000}
"""Seed of the first scene of each part. The parts share no galaxy and no frame; the shipped head was trained on lower seeds."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredImage:
    """An image, shape (height, width, 3), in [0, 1], and its objects.

    Attributes
    ----------
    pixels : ndarray, shape (height, width, 3)
    windowed_image : WindowedImage
        Encodes each window once and caches its features in memory.
    masks : tuple of ndarray of bool, shape (height, width)
    is_blended : tuple of bool
        Whether each object shares pixels with another one.
    """

    pixels: NDArray[np.float32]
    windowed_image: WindowedImage
    masks: tuple[Mask, ...]
    is_blended: tuple[bool, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """An object to be outlined: its image, the image's number, its mask, whether it is blended."""

    image: StoredImage
    number: int
    mask: Mask
    blended: bool


def outlines(data: Path, part: Part, encoder: WindowEncoder) -> list[StoredImage]:
    """Return real galaxies and annotators' outlines of them."""
    return [_make_image(galaxy.pixels, [galaxy.mask], [False], encoder) for galaxy in outlined_galaxies(data, part)]


def scenes(data: Path, part: Part, encoder: WindowEncoder, *, count: int) -> Iterator[StoredImage]:
    """Yield the first `count` scenes of a part that have an object of at least `LEAST_AREA_PX` pixels."""
    generator, seed = generator_of(data, part=part), FIRST_SEED[part]
    while count:
        scene = generator.draw(seed, SIDES[seed % len(SIDES)])
        seed += 1
        fine = [index for index, mask in enumerate(scene.masks) if mask.sum() >= LEAST_AREA_PX][:OBJECTS_A_SCENE]
        if fine:
            count -= 1
            yield _make_image(scene.image, [scene.masks[i] for i in fine], [bool(scene.is_blended[i]) for i in fine], encoder)


def objects_of(images: Sequence[StoredImage]) -> list[Object]:
    """Return all objects of images, in order."""
    return [
        Object(image, number, mask, is_blended)
        for number, image in enumerate(images)
        for mask, is_blended in zip(image.masks, image.is_blended, strict=True)
    ]


def _make_image(pixels: NDArray[np.float32], masks: list[Mask], is_blended: list[bool], encoder: WindowEncoder) -> StoredImage:
    windowed_image = CachedWindowEncoder(RememberedWindows(encoder), None).of_pixels(pixels)
    return StoredImage(pixels, windowed_image, tuple(masks), tuple(is_blended))
