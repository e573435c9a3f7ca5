"""The decoder's grid: masks of a picture as shares of the points on which masks are decoded, and the edges of masks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from backend.heads.segmenter.network import SegmenterConfig
from backend.lvm.tiles import Tile
from sync.controls.shapes import Mask

__all__ = ["Edges", "edges_of", "on_grid"]

Edges = tuple[float, float, float, float]
"""Left, top, right, bottom, pixels."""


def edges_of(mask: Mask) -> Edges:
    """The edges of a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1


def on_grid(mask: Mask, window: Tile, *, config: SegmenterConfig) -> Tensor:
    """Share of each point that is the mask's, 0 to 1, shape (points, points).

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Of the picture.
    """
    side = round(config.shown_px / window.scale)
    padded = np.zeros((side, side), np.float32)
    part = mask[window.y : window.y + window.height, window.x : window.x + window.width]
    padded[: part.shape[0], : part.shape[1]] = part
    size = (config.points, config.points)
    return functional.interpolate(torch.from_numpy(padded)[None, None], size=size, mode="area")[0, 0]
