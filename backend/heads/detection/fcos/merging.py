"""Merging of the objects in the tiles of an image: removes duplicates, and objects that the border of a tile cuts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torchvision.ops import nms

from backend.heads.detection.fcos.network import SAME_OBJECT_ABOVE, RawDetections
from backend.lvm.tiles import Tile
from sync.geometry.shapes import Size

__all__ = ["merge"]

CUT_WITHIN_PX = 2.0
"""Largest distance between a box and a border that cuts it, pixels of the tile."""


def merge(parts: Iterable[tuple[Tile, RawDetections]], size: Size) -> RawDetections:
    """Merge the objects in the tiles of an image of `size` (width, height).

    A box that ends at a border between tiles is removed: an object smaller than the overlap lies completely in the next tile, a
    larger one in a tile of the next scale. Objects smaller than `Tile.least_side` are removed from coarse tiles.

    Returns
    -------
    RawDetections
        Objects in pixels of the image, by descending score.
    """
    boxes, scores, labels = [], [], []
    for tile, detections in parts:
        image_boxes = tile.to_image(detections.boxes)
        complete = ~_cut(tile, image_boxes, size) & ((image_boxes[:, 2:] - image_boxes[:, :2]).amax(dim=1) >= tile.least_side)
        boxes.append(image_boxes[complete])
        scores.append(detections.scores[complete])
        labels.append(detections.labels[complete])
    if not boxes:
        return RawDetections(torch.empty(0, 4), torch.empty(0), torch.empty(0, dtype=torch.int64))
    every = RawDetections(torch.cat(boxes), torch.cat(scores), torch.cat(labels))
    indices = nms(every.boxes, every.scores, SAME_OBJECT_ABOVE)
    return RawDetections(every.boxes[indices], every.scores[indices], every.labels[indices])


def _cut(tile: Tile, boxes: Tensor, size: Size) -> Tensor:
    """Return which boxes, in pixels of the image, end at a border of the tile that is not a border of the image."""
    margin = CUT_WITHIN_PX / tile.scale
    width, height = size
    cut = torch.zeros(len(boxes), dtype=torch.bool)
    if tile.x > 0:
        cut |= boxes[:, 0] < tile.x + margin
    if tile.y > 0:
        cut |= boxes[:, 1] < tile.y + margin
    if tile.x + tile.width < width:
        cut |= boxes[:, 2] > tile.x + tile.width - margin
    if tile.y + tile.height < height:
        cut |= boxes[:, 3] > tile.y + tile.height - margin
    return cut
