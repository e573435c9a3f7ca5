"""Images for the timing of clicks: scenes with known galaxies, so that every click is on a real object or error.

All galaxies and frames are simulated, so no data are needed.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.heads.segmentation.simulated_clicks import Click, first_click, next_click
from backend.scenes.generator import SceneGenerator
from benchmarks.prompts.clicking import JITTER
from benchmarks.prompts.server import ClickRequest, Serving
from sync.geometry.shapes import Mask, Size

__all__ = ["Scenery", "click_on", "sceneries"]

LEAST_AREA_PX = 80
LARGEST_SHARE = 0.2
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """An image, shape (side, side, 3) of uint8, and at least two of its galaxies, each of shape (side, side)."""

    pixels: NDArray[np.uint8]
    masks: tuple[Mask, ...]

    @property
    def size(self) -> Size:
        """Return (width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def file(self, copy: int) -> bytes:
        """Return the image as a JPEG file; each copy has different bytes, so that no server has it in its cache."""
        content = io.BytesIO()
        Image.fromarray(self.pixels).save(content, "JPEG", quality=JPEG_QUALITY, comment=f"copy {copy}".encode())
        return content.getvalue()


def sceneries(side: int, count: int) -> list[Scenery]:
    """Return the first `count` scenes of a side with two galaxies of suitable area."""
    generator, sceneries, seed = SceneGenerator(), list[Scenery](), 0
    while len(sceneries) < count:
        scene = generator.draw(seed, side)
        seed += 1
        areas = scene.masks.sum(axis=(1, 2))
        fine = [mask for mask, area in zip(scene.masks, areas, strict=True) if LEAST_AREA_PX <= area < LARGEST_SHARE * side**2]
        if len(fine) >= 2:
            sceneries.append(Scenery((scene.image * 255).round().astype(np.uint8), tuple(fine)))
    return sceneries


def click_on(
    server: Serving, scenery: Scenery, reference: str, truth: Mask, *, clicks: int, seed: int
) -> list[tuple[ClickRequest, float]]:
    """Click an object: each further click is on the largest error of the last answer.

    Returns
    -------
    list of (ClickRequest, milliseconds)
        One for each click, at most `clicks`.
    """
    rng = np.random.default_rng(seed)
    sequence: tuple[Click, ...] = (first_click(truth, rng, jitter=JITTER),)
    answers: list[tuple[ClickRequest, float]] = []
    while True:
        request = ClickRequest(reference, scenery.size, sequence)
        answer = server.click(request)
        answers.append((request, answer.milliseconds))
        mask = np.zeros_like(truth) if answer.mask is None else answer.mask
        correction = next_click(mask, truth, rng, jitter=JITTER)
        if len(answers) == clicks or correction is None:
            return answers
        sequence = (*sequence, correction)
