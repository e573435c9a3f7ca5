"""Prompting: clicks, boxes and masks in pixels of a picture find the window where the object is seen best, and become its mask.

A click or a box gives a mask, and all further clicks mend it: two passes of the decoder, however many clicks there are. What is
clicked has no size yet: it is looked for in the whole picture first; what is found there says how large it is, and the window
that it fills outlines it anew. What is too small to be seen in the whole picture is looked for from the smallest window up. An
outline that a window's border cuts is not taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.heads.segmenter.clicks import Click
from backend.heads.segmenter.decoding import SURE, WindowPrompts, decode
from backend.heads.segmenter.grid import Edges, edges_of, on_grid
from backend.heads.segmenter.reader import WindowReader
from backend.heads.segmenter.sight import PictureSight
from backend.heads.segmenter.windows import nearest_window, window_around
from backend.lvm.tiles import Tile
from sync.controls.shapes import Mask, Size

__all__ = ["WindowMask", "boxed", "clicked", "look_ahead", "mended"]

LEAST_POINTS = 24
"""What covers fewer points of the decoder's grid is seen too coarsely to be sure of."""
ROOM = 0.6
"""The longer side of an object takes at most this share of the window that outlines it."""
AT_ONCE = 16
"""Objects decoded together: bounds the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowMask:
    """An object's mask in one window of a picture.

    Attributes
    ----------
    window : Tile
    logits : Tensor, shape (points, points)
        On the decoder's grid; above 0 is the object.
    quality : float
        Expected intersection over union, 0 to 1.
    size : (width, height)
        Of the picture.
    shown_px : int
        Side at which the window is looked at.
    """

    window: Tile
    logits: Tensor
    quality: float
    size: Size
    shown_px: int

    @property
    def points(self) -> int:
        """How many points of the grid are the object's."""
        return int((self.logits > 0).sum())

    @property
    def pixels(self) -> Tensor:
        """Logits in pixels of the picture, shape (window.height, window.width)."""
        side = round(self.shown_px / self.window.scale)
        unfolded = functional.interpolate(self.logits[None, None], size=(side, side), mode="bilinear", align_corners=False)
        return unfolded[0, 0, : self.window.height, : self.window.width]

    def heeds(self, click: Click) -> bool:
        """Whether a click lies on the right side of the outline."""
        x, y, positive = click
        value = self.pixels[int(y) - self.window.y, int(x) - self.window.x]
        return bool(value > 0) is positive

    @property
    def cut(self) -> bool:
        """Whether the object ends at a border of the window beyond which the picture goes on."""
        window, (width, height), inside = self.window, self.size, self.pixels > 0
        beyond = [
            (window.x > 0, inside[:, 0]),
            (window.y > 0, inside[0]),
            (window.x + window.width < width, inside[:, -1]),
            (window.y + window.height < height, inside[-1]),
        ]
        return any(more and bool(line.any()) for more, line in beyond)

    def mask(self) -> Mask:
        """The object in the picture, shape (height, width)."""
        whole = np.zeros(self.size[::-1], dtype=bool)
        rows, columns = (
            slice(self.window.y, self.window.y + self.window.height),
            slice(self.window.x, self.window.x + self.window.width),
        )
        whole[rows, columns] = (self.pixels > 0).numpy()
        return whole


def look_ahead(sight: PictureSight, boxes: Sequence[Edges]) -> None:
    """See what a click on any object in these boxes will need, so that it is kept when the click comes."""
    middle = (sight.size[0] / 2, sight.size[1] / 2)
    whole = nearest_window(sight.sides[0], middle, sight.size, shown_px=sight.shown_px)
    around = [window_around(box, sight.size, sides=sight.sides, shown_px=sight.shown_px) for box in boxes]
    for window in dict.fromkeys([whole, *around]):
        sight.see(window)


@torch.no_grad()
def clicked(reader: WindowReader, sight: PictureSight, click: Click) -> WindowMask | None:
    """The object under a positive click; None where nothing is seen."""
    x, y, _ = click
    windows = [nearest_window(side, (x, y), sight.size, shown_px=sight.shown_px) for side in sight.sides]
    whole = _under(reader, sight, windows[0], click)
    small = whole.points < LEAST_POINTS
    for window in reversed([one for one in windows[1:] if small or _fits(whole, one)]):
        found = _under(reader, sight, window, click)
        if found.points and not found.cut:
            return found
    return whole if whole.points else None


@torch.no_grad()
def boxed(reader: WindowReader, sight: PictureSight, boxes: Sequence[Edges]) -> list[WindowMask]:
    """The object that each box holds."""
    windows = [window_around(box, sight.size, sides=sight.sides, shown_px=sight.shown_px) for box in boxes]
    found: dict[int, WindowMask] = {}
    for window in dict.fromkeys(windows):
        here = [index for index, one in enumerate(windows) if one == window]
        for start in range(0, len(here), AT_ONCE):
            some = here[start : start + AT_ONCE]
            shown = (torch.tensor([boxes[index] for index in some]) - _corner(window).repeat(2)) * window.scale
            embedding, guide = reader.read(sight, window)
            guesses = guide.boxed(shown / _points_per(reader))
            none = torch.zeros(len(some), 0, 2), torch.zeros(len(some), 0)
            logits, quality = decode(reader.network, embedding, WindowPrompts(*none, shown, guesses)).best()
            for index, one, sure in zip(some, logits, quality.tolist(), strict=True):
                found[index] = WindowMask(window, one, sure, sight.size, sight.shown_px)
    return [found[index] for index in range(len(boxes))]


@torch.no_grad()
def mended(
    reader: WindowReader,
    sight: PictureSight,
    begun: WindowMask | Mask,
    clicks: Sequence[Click],
    *,
    box: Edges | None = None,
) -> WindowMask:
    """A mask, from `clicked`, `boxed` or drawn (shape (height, width), not empty), after further clicks.

    Parameters
    ----------
    clicks : sequence of Click
        All that were given, the one that the mask was begun with among them.
    """
    window, base = _begun(reader, sight, begun, clicks)
    grid = [_on_window(click, window, 1 / _points_per(reader)) for click in clicks]
    inside = [click for click in grid if click is not None]
    shown = [[(x * _points_per(reader), y * _points_per(reader)) for x, y, _ in inside]]
    points = torch.tensor(shown).reshape(1, -1, 2)
    labels = torch.tensor([[int(positive) for _, _, positive in inside]]).reshape(1, -1)
    edges = None if box is None else ((torch.tensor([box]) - _corner(window).repeat(2)) * window.scale)
    embedding, guide = reader.read(sight, window)
    guesses = guide.mended(base[None], [inside])
    logits, quality = decode(reader.network, embedding, WindowPrompts(points, labels, edges, guesses)).best()
    found = WindowMask(window, logits[0], float(quality), sight.size, sight.shown_px)
    for click, placed in zip(clicks, grid, strict=True):
        if placed is not None and not found.heeds(click):
            found = replace(found, logits=_heeding(found.logits, guesses[0], placed))
    return found


def _under(reader: WindowReader, sight: PictureSight, window: Tile, click: Click) -> WindowMask:
    placed = _on_window(click, window, 1 / _points_per(reader))
    assert placed is not None, "a window is chosen around its click"
    embedding, guide = reader.read(sight, window)
    points = torch.tensor([[placed[:2]]]) * _points_per(reader)
    prompts = WindowPrompts(points, torch.ones(1, 1), guesses=guide.clicked([placed]))
    logits, quality = decode(reader.network, embedding, prompts).best()
    return WindowMask(window, logits[0], float(quality), sight.size, sight.shown_px)


def _begun(reader: WindowReader, sight: PictureSight, begun: WindowMask | Mask, clicks: Sequence[Click]) -> tuple[Tile, Tensor]:
    """The window in which a mask and its clicks are seen best, and the mask's logits on its grid."""
    if isinstance(begun, WindowMask) and all(_on_window(click, begun.window, 1.0) for click in clicks if click[2]):
        return begun.window, begun.logits
    mask = begun.mask() if isinstance(begun, WindowMask) else begun
    left, top, right, bottom = edges_of(mask)
    places = [(x, y) for x, y, positive in clicks if positive]
    box = (
        min([left, *(x for x, _ in places)]),
        min([top, *(y for _, y in places)]),
        max([right, *(x for x, _ in places)]),
        max([bottom, *(y for _, y in places)]),
    )
    window = window_around(box, sight.size, sides=sight.sides, shown_px=sight.shown_px)
    return window, SURE * (2 * on_grid(mask, window, config=reader.network.config) - 1).sign()


def _heeding(logits: Tensor, guess: Tensor, placed: Click) -> Tensor:
    """The decoder's mask, with what a click that it does not heed means by isophotes, and at least the points around it."""
    x, y, positive = placed
    last, sign = len(logits) - 1, 1.0 if positive else -1.0
    row, column = min(int(y), last), min(int(x), last)
    meant = ((guess > 0) == positive) & ((logits > 0) != positive)
    heeded = torch.where(meant, sign * guess.abs().clamp(min=1), logits)
    heeded[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = sign
    return heeded


def _on_window(click: Click, window: Tile, per_pixel: float) -> Click | None:
    """A click in pixels of the picture as one on a window, as looked at, times `per_pixel`; None outside it."""
    x, y, positive = click
    if not (window.x <= x < window.x + window.width and window.y <= y < window.y + window.height):
        return None
    scale = window.scale * per_pixel
    return (x - window.x) * scale, (y - window.y) * scale, positive


def _corner(window: Tile) -> Tensor:
    return torch.tensor([float(window.x), float(window.y)])


def _points_per(reader: WindowReader) -> float:
    """Pixels of a window as looked at, for each point of the decoder's grid."""
    return reader.network.config.shown_px / reader.network.config.points


def _fits(found: WindowMask, window: Tile) -> bool:
    """Whether an object lies in a smaller window with room around it."""
    left, top, right, bottom = edges_of((found.logits > 0).numpy())
    per_point = found.shown_px / found.window.scale / len(found.logits)
    return max(right - left, bottom - top) * per_point <= ROOM * max(window.width, window.height)
