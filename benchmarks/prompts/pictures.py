"""Pictures to click on for timing: scenes with known galaxies, so that every click is one that a person would give.

Everything in them is simulated: a time does not care, and no data are needed.
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
from benchmarks.prompts.server import Asked, Serving
from sync.geometry.shapes import Mask, Size

__all__ = ["Scenery", "click_on", "sceneries"]

LEAST_AREA_PX = 80
LARGEST_SHARE = 0.2
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """A picture, shape (side, side, 3) of uint8, and at least two of its galaxies, each of shape (side, side)."""

    pixels: NDArray[np.uint8]
    masks: tuple[Mask, ...]

    @property
    def size(self) -> Size:
        """(width, height)."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def file(self, copy: int) -> bytes:
        """The picture as a JPEG file; each copy has other bytes and the same pixels, so a server has never seen it."""
        content = io.BytesIO()
        Image.fromarray(self.pixels).save(content, "JPEG", quality=JPEG_QUALITY, comment=f"copy {copy}".encode())
        return content.getvalue()


def sceneries(side: int, count: int) -> list[Scenery]:
    """The first `count` scenes of a side with two galaxies that are no specks."""
    generator, found, seed = SceneGenerator(), list[Scenery](), 0
    while len(found) < count:
        scene = generator.draw(seed, side)
        seed += 1
        areas = scene.masks.sum(axis=(1, 2))
        fine = [mask for mask, area in zip(scene.masks, areas, strict=True) if LEAST_AREA_PX <= area < LARGEST_SHARE * side**2]
        if len(fine) >= 2:
            found.append(Scenery((scene.image * 255).round().astype(np.uint8), tuple(fine)))
    return found


def click_on(
    server: Serving, scenery: Scenery, reference: str, wanted: Mask, *, clicks: int, seed: int
) -> list[tuple[Asked, float]]:
    """Click an object as a person would, each click on what the last answer had most wrong.

    Returns
    -------
    list of (Asked, milliseconds)
        One for each click, at most `clicks`.
    """
    rng = np.random.default_rng(seed)
    given: tuple[Click, ...] = (first_click(wanted, rng, jitter=JITTER),)
    timed: list[tuple[Asked, float]] = []
    while True:
        asked = Asked(reference, scenery.size, given)
        answer = server.click(asked)
        timed.append((asked, answer.milliseconds))
        mask = np.zeros_like(wanted) if answer.mask is None else answer.mask
        mend = next_click(mask, wanted, rng, jitter=JITTER)
        if len(timed) == clicks or mend is None:
            return timed
        given = (*given, mend)
