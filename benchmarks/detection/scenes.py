"""The scenes of the detection benchmark: what methods learn from, what they choose a threshold on, and what judges them.

The three come from parts that share no galaxy and no frame. Scenes are drawn when they are first asked for, so that a run that
goes on only reads what it needs.
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
        """The first scenes of a seed to learn from: more of them hold the fewer ones."""
        return [self._training.draw(SEEDS_APART * seed + i, self.side) for i in range(count)]

    @cached_property
    def val(self) -> Sequence[Scene]:
        """To choose from which score on a find counts, for all methods alike."""
        return self._of("val", VAL_SCENES)

    @cached_property
    def test(self) -> Sequence[Scene]:
        """What the reported figures are measured on."""
        return self._of("test", TEST_SCENES)

    @cached_property
    def fingerprint(self) -> str:
        """Names the scenes by what is on them: cells from other scenes do not compare."""
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
    """What there is to find in each scene."""
    return [scene.boxes.astype(np.float64) for scene in scenes]
