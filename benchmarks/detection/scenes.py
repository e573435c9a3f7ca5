"""Scenes of the detection benchmark for training, for the choice of a threshold, and for the test.

The three parts share no galaxy and no frame. Scenes are drawn on first use, so that a continued run reads only what it needs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from backend.scenes.folders import Part, generator_of
from backend.scenes.generator import SceneGenerator
from backend.scenes.scene import Scene
from benchmarks.detection.scores import Boxes

__all__ = ["Scenes", "boxes_of"]

VAL_SCENES, TEST_SCENES = 40, 120
SEEDS_APART = 1_000_000
FINGERPRINTED = 8


@dataclass(frozen=True)
class Scenes:
    """Scenes of `side` pixels from the galaxies and frames in `data`.

    Attributes
    ----------
    data : Path
    side : int
    """

    data: Path
    side: int

    def train(self, count: int, *, seed: int) -> list[Scene]:
        """Return the first `count` training scenes of a seed; a larger count includes the scenes of a smaller one."""
        return [self._training.draw(SEEDS_APART * seed + i, self.side) for i in range(count)]

    @cached_property
    def val(self) -> Sequence[Scene]:
        """Return the scenes on which the score threshold of every method is chosen."""
        return self._of("val", VAL_SCENES)

    @cached_property
    def test(self) -> Sequence[Scene]:
        """Return the scenes of the reported metrics."""
        return self._of("test", TEST_SCENES)

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of the scenes' content; cells from different scenes are not comparable."""
        digest = hashlib.sha256(f"{self.side} {VAL_SCENES} {TEST_SCENES}".encode())
        for scene in self.test[:FINGERPRINTED]:
            digest.update(scene.image.tobytes() + scene.boxes.tobytes())
        return digest.hexdigest()[:12]

    @cached_property
    def _training(self) -> SceneGenerator:
        return generator_of(self.data, part="train")

    def _of(self, part: Part, count: int) -> list[Scene]:
        generator = generator_of(self.data, part=part)
        return [generator.draw(i, self.side) for i in range(count)]


def boxes_of(scenes: Sequence[Scene]) -> list[Boxes]:
    """Return the true boxes of each scene."""
    return [scene.boxes.astype(np.float64) for scene in scenes]
