"""Coordinates of one window: pixels of the image, pixels of the scaled window (the encoder's input), points of the grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.heads.segmentation.grid import Edges
from backend.heads.segmentation.isophotes import Spot
from backend.heads.segmentation.network import SegmenterConfig
from backend.lvm.tiles import Tile

__all__ = ["GridFrame"]


@dataclass(frozen=True, slots=True)
class GridFrame:
    """Coordinate transforms of a window; points are (x, y), and the centre of the first pixel or point is (0.5, 0.5).

    Attributes
    ----------
    window : Tile
    shown_per_point : float
        Pixels of the scaled window per point of the grid.
    """

    window: Tile
    shown_per_point: float

    @classmethod
    def of(cls, window: Tile, config: SegmenterConfig) -> GridFrame:
        """Return the transforms of a window for a network of this shape."""
        return cls(window, config.shown_px / config.points)

    @property
    def points_per_pixel(self) -> float:
        """Points of the grid per pixel of the image."""
        return self.window.scale / self.shown_per_point

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of the part of the grid inside the image, points."""
        return self.window.width * self.points_per_pixel, self.window.height * self.points_per_pixel

    def contains(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether points of the image, shape (n, 2), lie in the window, shape (n,)."""
        window = self.window
        low, high = (window.x, window.y), (window.x + window.width, window.y + window.height)
        return np.asarray(((points >= low) & (points < high)).all(axis=1))

    def to_grid(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert points of the image to spots on the grid, shape (n, 2)."""
        places: NDArray[np.float64] = (points - (self.window.x, self.window.y)) * self.points_per_pixel
        return places

    def spot(self, point: tuple[float, float]) -> Spot:
        """Convert a point of the image to a spot on the grid."""
        return (point[0] - self.window.x) * self.points_per_pixel, (point[1] - self.window.y) * self.points_per_pixel

    def to_image(self, spot: Spot) -> tuple[float, float]:
        """Convert a spot on the grid to a point of the image."""
        return self.window.x + spot[0] / self.points_per_pixel, self.window.y + spot[1] / self.points_per_pixel

    def to_shown(self, points: NDArray[np.float64]) -> Tensor:
        """Convert spots on the grid, shape (n, 2), to points of the scaled window, shape (1, n, 2)."""
        return torch.from_numpy(points.astype(np.float32))[None] * self.shown_per_point

    def boxes_to_shown(self, boxes: list[Edges] | NDArray[np.float64]) -> Tensor:
        """Convert boxes (left, top, right, bottom) of the image to pixels of the scaled window, shape (n, 4)."""
        corner = torch.tensor([float(self.window.x), float(self.window.y)])
        return (torch.from_numpy(np.asarray(boxes, np.float32)).reshape(-1, 4) - corner.repeat(2)) * self.window.scale

    def boxes_to_grid(self, boxes: list[Edges] | NDArray[np.float64]) -> Tensor:
        """Convert boxes (left, top, right, bottom) of the image to points of the grid, shape (n, 4)."""
        return self.boxes_to_shown(boxes) / self.shown_per_point
