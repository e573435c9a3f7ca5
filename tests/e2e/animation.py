"""An animation of screenshots with captions and a drawn mouse pointer, as WebP."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Locator

__all__ = ["Animation"]

WIDTH_PX, CAPTION_PX = 960, 44
MOVES = 6
MOVE_MS = 80
POINTER = ((0, 0), (0, 20), (5, 16), (9, 24), (12, 22), (8, 15), (15, 15))
"""Outline of an arrow, pixels from its tip."""

Place = tuple[float, float]


class Animation:
    """Collects frames and writes them."""

    def __init__(self) -> None:
        self._frames: list[Image.Image] = []
        self._durations_ms: list[int] = []
        self.captions: list[str] = []

    def add(self, element: Locator, caption: str, seconds: float, *, pointer: Place | None = None) -> None:
        """Add a screenshot.

        Parameters
        ----------
        element : Locator
            Part of the page.
        caption : str
        seconds : float
        pointer : (x, y), optional
            Position on the page that a drawn mouse pointer moves to.
        """
        box = element.bounding_box()
        assert box is not None
        picture = Image.open(io.BytesIO(element.screenshot(animations="disabled"))).convert("RGB")
        scale = WIDTH_PX / picture.width
        picture = picture.resize((WIDTH_PX, round(picture.height * scale)), Image.Resampling.LANCZOS)
        frame = Image.new("RGB", (WIDTH_PX, picture.height + CAPTION_PX), (32, 36, 64))
        frame.paste(picture, (0, CAPTION_PX))
        ImageDraw.Draw(frame).text((14, 10), caption, "white", ImageFont.load_default(20))
        self.captions.append(caption)
        if pointer is None:
            self._append(frame, round(1000 * seconds))
            return
        end = ((pointer[0] - box["x"]) * scale, (pointer[1] - box["y"]) * scale + CAPTION_PX)
        start = (WIDTH_PX * 0.62, frame.height * 0.85)
        for move in range(MOVES + 1):
            share = move / MOVES
            tip = tuple(first + share * (last - first) for first, last in zip(start, end, strict=True))
            step = frame.copy()
            ImageDraw.Draw(step).polygon([(tip[0] + x, tip[1] + y) for x, y in POINTER], "white", "black")
            self._append(step, MOVE_MS if move < MOVES else max(round(1000 * seconds) - MOVES * MOVE_MS, MOVE_MS))

    def save(self, file: Path) -> None:
        """Write the frames; all get the height of the first one."""
        first, *others = [frame.crop((0, 0, WIDTH_PX, self._frames[0].height)) for frame in self._frames]
        first.save(
            file,
            save_all=True,
            append_images=others,
            duration=self._durations_ms,
            loop=0,
            quality=72,
            method=6,
            minimize_size=True,
        )

    @property
    def seconds(self) -> float:
        """Length."""
        return sum(self._durations_ms) / 1000

    def _append(self, frame: Image.Image, duration_ms: int) -> None:
        self._frames.append(frame)
        self._durations_ms.append(duration_ms)
