"""The decoder's grid: conversion of a mask of an image to the covered fraction of each grid point."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backend.heads.segmentation.network import SegmenterConfig
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Mask

__all__ = ["Edges", "on_grid"]

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels."""


def on_grid(mask: Mask, window: Tile, *, config: SegmenterConfig, x: int = 0, y: int = 0) -> Tensor:
    """Return the fraction of each point that the mask covers, 0 to 1, shape (points, points).

    A point is a rectangle of pixels of the window, as in the adaptive average pooling of PyTorch. Rows and columns are averaged
    separately, so that a window much larger than its image costs no more than the image.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Mask of the image, or of a part of it.
    window : Tile
    config : SegmenterConfig
        Shape of the grid.
    x, y : int
        Column and row of the first pixel of the mask in the image.
    """
    side = round(config.shown_px / window.scale)
    top, low = max(window.y, y), min(window.y + window.height, y + mask.shape[0])
    left, right = max(window.x, x), min(window.x + window.width, x + mask.shape[1])
    if top >= low or left >= right:
        return torch.zeros(config.points, config.points)
    part = torch.from_numpy(mask[top - y : low - y, left - x : right - x].astype(np.float32))
    rows = _averages(top - window.y, low - window.y, side=side, points=config.points)
    columns = _averages(left - window.x, right - window.x, side=side, points=config.points)
    return rows @ part @ columns.T


def _averages(start: int, stop: int, *, side: int, points: int) -> Tensor:
    """Return the weights of the pixels `start` to `stop` of a side in the mean of each point, shape (points, stop - start)."""
    first = torch.arange(points) * side // points
    last = -(-(torch.arange(points) + 1) * side // points)
    pixels = torch.arange(start, stop)
    inside = (pixels >= first[:, None]) & (pixels < last[:, None])
    return inside / (last - first)[:, None].float()
