"""Simulated clicks on an object: one click, then clicks where the mask has its largest error, until it is good enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.heads.segmentation.prompt import Prompt
from backend.heads.segmentation.simulated_clicks import Click, first_click, next_click
from backend.heads.segmentation.window_features import WindowedImage
from sync.geometry.overlap import mask_overlap
from sync.geometry.shapes import Mask, Point

JITTER = 0.15
"""Standard deviation of a click, as a share of the radius of the clicked area."""
Segment = Callable[[Sequence[Click]], Mask]
"""From clicks to a mask of the image's size."""


def prompt_of_clicks(image: WindowedImage, clicks: Sequence[Click]) -> Prompt:
    """Return simulated clicks on an image as a prompt."""
    return Prompt.of(image.size, points=[(Point(x, y), positive) for x, y, positive in clicks])


@dataclass(frozen=True, slots=True)
class Clicked:
    """Overlap with the true mask after each click, beginning with the first."""

    overlaps: tuple[float, ...]

    def after(self, clicks: int) -> float:
        """Return the overlap after `clicks` clicks; clicking ends when the mask has no error."""
        return self.overlaps[min(clicks, len(self.overlaps)) - 1]

    def until(self, overlap: float, *, most: int) -> int:
        """Return the clicks until the overlap is reached; `most` if it is not reached."""
        numbers = [number for number, value in enumerate(self.overlaps[:most], start=1) if value >= overlap]
        return numbers[0] if numbers else most


def click_through(segment: Segment, truth: Mask, *, clicks: int, seed: int, enough: float = 1.0, least: int = 1) -> Clicked:
    """Click at most `clicks` times, or, after `least` clicks, until the overlap is `enough`; `seed` sets the jitter."""
    rng = np.random.default_rng(seed)
    sequence: list[Click] = [first_click(truth, rng, jitter=JITTER)]
    overlaps: list[float] = []
    best = 0.0
    while True:
        mask = segment(sequence)
        overlaps.append(mask_overlap(mask, truth))
        best = max(best, overlaps[-1])
        correction = next_click(mask, truth, rng, jitter=JITTER)
        if len(overlaps) == clicks or correction is None or (best >= enough and len(overlaps) >= least):
            return Clicked(tuple(overlaps))
        sequence.append(correction)
