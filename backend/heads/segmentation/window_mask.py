"""The mask of an object in one window of an image, on the decoder's grid, and its interpolation to pixels of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.lvm.tiles import Tile
from sync.geometry.shapes import Mask, Size

__all__ = ["WindowMask"]

FLAT = 4
"""Ratio of the sides of an image above which a window is interpolated one axis at a time, since a strip has few pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowMask:
    """The mask of an object in one window of an image.

    Attributes
    ----------
    window : Tile
    logits : Tensor, shape (points, points)
        Logits on the decoder's grid, above 0 inside the object.
    quality : float
        Expected intersection over union, 0 to 1.
    size : (width, height)
        Size of the image, pixels.
    shown_px : int
        Side of the scaled window, pixels.
    """

    window: Tile
    logits: Tensor
    quality: float
    size: Size
    shown_px: int

    @property
    def points(self) -> int:
        """Number of grid points inside the object."""
        return int((self.logits > 0).sum())

    @property
    def pixels(self) -> Tensor:
        """Logits in pixels of the image, shape (window.height, window.width)."""
        side = round(self.shown_px / self.window.scale)
        logits = self.logits[None, None]
        width, height = self.window.width, self.window.height
        if FLAT * height < side:
            rows = _enlarge(logits, side, height, axis=2)
            return functional.interpolate(rows, size=(height, side), mode="bilinear")[0, 0, :, :width]
        if FLAT * width < side:
            columns = _enlarge(logits, side, width, axis=3)
            return functional.interpolate(columns, size=(side, width), mode="bilinear")[0, 0, :height]
        pixel_logits = functional.interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)
        return pixel_logits[0, 0, :height, :width]

    def agrees_with(self, point: Sequence[float], positive: bool) -> bool:
        """Return whether a click, (x, y) in pixels of the image, lies on its side of the outline, by its logit in `pixels`."""
        x, y = point
        per_pixel = len(self.logits) / round(self.shown_px / self.window.scale)
        last = len(self.logits) - 1

        def between(place: float, start: int) -> tuple[int, int, float]:
            """Return the grid points on both sides of the centre of a pixel, and the weight of the second point."""
            at = min(max((int(place) - start + 0.5) * per_pixel - 0.5, 0.0), float(last))
            return int(at), min(int(at) + 1, last), at - int(at)

        (left, right, across), (top, bottom, down) = between(x, self.window.x), between(y, self.window.y)
        upper = self.logits[top, left] * (1 - across) + self.logits[top, right] * across
        lower = self.logits[bottom, left] * (1 - across) + self.logits[bottom, right] * across
        return bool(upper * (1 - down) + lower * down > 0) is positive

    @property
    def cut(self) -> bool:
        """Whether the object ends at a border of the window that is not a border of the image."""
        window, (width, height), inside = self.window, self.size, self.pixels > 0
        beyond = [
            (window.x > 0, inside[:, 0]),
            (window.y > 0, inside[0]),
            (window.x + window.width < width, inside[:, -1]),
            (window.y + window.height < height, inside[-1]),
        ]
        return any(has_more and bool(line.any()) for has_more, line in beyond)

    def mask(self) -> Mask:
        """Return the mask in the image, shape (height, width)."""
        image_mask = np.zeros(self.size[::-1], dtype=bool)
        rows, columns = (
            slice(self.window.y, self.window.y + self.window.height),
            slice(self.window.x, self.window.x + self.window.width),
        )
        image_mask[rows, columns] = (self.pixels > 0).numpy()
        return image_mask


def _enlarge(logits: Tensor, side: int, count: int, *, axis: int) -> Tensor:
    """Enlarge an axis of logits, shape (1, 1, n, n), to `side` lines by linear interpolation; return the first `count`."""
    points = logits.shape[axis]
    places = ((torch.arange(count) + 0.5) * (points / side) - 0.5).clamp(min=0)
    before = places.long().clamp(max=points - 1)
    after, share = (before + 1).clamp(max=points - 1), places - before
    share = share.reshape([-1 if index == axis else 1 for index in range(4)])
    return logits.index_select(axis, before) * (1 - share) + logits.index_select(axis, after) * share
