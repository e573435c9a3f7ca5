"""Merging what was found in the tiles of a picture: every object once, and none that a tile's border cuts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torchvision.ops import nms

from backend.heads.detection.fcos.network import SAME_OBJECT_ABOVE, Found
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["merge"]

CUT_WITHIN_PX = 2.0
"""A box that ends so near to a border is cut by it."""


def merge(parts: Iterable[tuple[Tile, Found]], size: Size) -> Found:
    """Put together what was found in the tiles of a picture of `size` (width, height).

    A box that ends at a border between tiles is left out: what is smaller than the overlap lies whole in the neighbour, what is
    larger lies whole in a tile of the next scale. A coarse tile counts for what is large enough for it to judge.

    Returns
    -------
    Found
        In pixels of the picture.
    """
    boxes, scores, labels = [], [], []
    for tile, found in parts:
        moved = tile.to_picture(found.boxes)
        kept = ~_cut(tile, moved, size) & ((moved[:, 2:] - moved[:, :2]).amax(dim=1) >= tile.least_side)
        boxes.append(moved[kept])
        scores.append(found.scores[kept])
        labels.append(found.labels[kept])
    if not boxes:
        return Found(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64))
    every = Found(torch.cat(boxes), torch.cat(scores), torch.cat(labels))
    chosen = nms(every.boxes, every.scores, SAME_OBJECT_ABOVE)
    return Found(every.boxes[chosen], every.scores[chosen], every.labels[chosen])


def _cut(tile: Tile, boxes: Tensor, size: Size) -> Tensor:
    """Which boxes, in pixels of the picture, end at a side of the tile beyond which the picture goes on."""
    near = CUT_WITHIN_PX / tile.scale
    width, height = size
    cut = torch.zeros(len(boxes), dtype=torch.bool)
    if tile.x > 0:
        cut |= boxes[:, 0] < tile.x + near
    if tile.y > 0:
        cut |= boxes[:, 1] < tile.y + near
    if tile.x + tile.width < width:
        cut |= boxes[:, 2] > tile.x + tile.width - near
    if tile.y + tile.height < height:
        cut |= boxes[:, 3] > tile.y + tile.height - near
    return cut
