"""A stamp: the light of one object, to be added to a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stamp", "Window", "add_stamps", "centred_grid", "rotate"]

Window = tuple[slice, slice]


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """The light of one object and its centre.

    Attributes
    ----------
    light : ndarray of float32, shape (height, width, 3)
        Sky-subtracted, in the unit of `backend.scenes.light`, convolved with the point spread function.
    centre : (x, y)
        Centre of the object, pixels of the stamp.
    """

    light: NDArray[np.float32]
    centre: tuple[float, float]

    def place(self, x: float, y: float, *, side: int) -> tuple[NDArray[np.float32], Window]:
        """Return the part of the stamp inside a scene and its window (rows, columns) there; both are empty without an overlap.

        Parameters
        ----------
        x, y : float
            Position of the stamp's centre in the scene, pixels; rounded to whole pixels.
        side : int
            Side of the scene, pixels.
        """
        left, top = round(x - self.centre[0]), round(y - self.centre[1])
        rows = slice(max(top, 0), max(min(top + self.light.shape[0], side), max(top, 0)))
        columns = slice(max(left, 0), max(min(left + self.light.shape[1], side), max(left, 0)))
        part = self.light[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        return part, (rows, columns)


def centred_grid(half: int, *, shift: tuple[float, float] = (0.0, 0.0)) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pixel offsets x, shape (1, n), and y, shape (n, 1), from a centre moved by `shift`, with n = 2 half + 1."""
    line = np.arange(-half, half + 1, dtype=np.float32)
    return (line - np.float32(shift[0]))[None], (line - np.float32(shift[1]))[:, None]


def rotate(x: NDArray[np.float32], y: NDArray[np.float32], angle: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the coordinates along and across an axis at `angle`, radians."""
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def add_stamps(first: Stamp, second: Stamp, offset: tuple[float, float]) -> Stamp:
    """Merge two stamps, centred on the first; the centre of the second lies at `offset` (x, y), pixels, from it."""
    steps = [round(c1 + d - c2) for c1, d, c2 in zip(first.centre, offset, second.centre, strict=True)]
    before = [max(-step, 0) for step in steps]
    corners = before, [step + pad for step, pad in zip(steps, before, strict=True)]
    ends = [
        [corner[axis] + stamp.light.shape[1 - axis] for corner, stamp in zip(corners, (first, second), strict=True)]
        for axis in (0, 1)
    ]
    light = np.zeros((max(ends[1]), max(ends[0]), 3), dtype=np.float32)
    for (left, top), stamp in zip(corners, (first, second), strict=True):
        light[top : top + stamp.light.shape[0], left : left + stamp.light.shape[1]] += stamp.light
    return Stamp(light, (first.centre[0] + before[0], first.centre[1] + before[1]))
