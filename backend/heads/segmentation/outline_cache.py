"""Cache on disk of the masks that a network decoded in the boxes of an image.

A new version mostly has the network and the boxes of the previous version; its predictions are then read from the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from safetensors.torch import load, save

from backend.heads.segmentation.grid import Edges
from backend.heads.segmentation.window_features import WindowedImage
from backend.heads.segmentation.window_mask import WindowMask
from backend.heads.segmentation.windows import window_around
from sync.geometry.footprint import mask_bounds

__all__ = ["OUTLINES_VERSION", "cached_outlines"]

OUTLINES_VERSION = "2"
"""Part of the cache keys: increase it when the same network and box give another mask."""
OUTSIDE = -1.0
"""Logit of points away from the object, which are not stored."""
BESIDE = 1
"""Width of the stored border around the object, points, since the outline lies between points inside and outside."""


def cached_outlines(
    image: WindowedImage,
    boxes: Sequence[Edges],
    *,
    network: str,
    decode: Callable[[Sequence[Edges]], Sequence[WindowMask]],
) -> list[WindowMask]:
    """Return the mask of the object in each box, from the cache, or decoded and then stored.

    Parameters
    ----------
    image : WindowedImage
    boxes : sequence of Edges
        Pixels of the image.
    network : str
        Fingerprint of the weights.
    decode : callable
        Returns the masks of the objects in the boxes that are not cached.
    """
    names = [f"outline {OUTLINES_VERSION} {network} {box}" for box in boxes]
    entries = {name: image.recall(name) for name in dict.fromkeys(names)}
    missing_boxes = {name: box for name, box in zip(names, boxes, strict=True) if entries[name] is None}
    masks = decode(list(missing_boxes.values())) if missing_boxes else []
    new = {name: _pack(mask) for name, mask in zip(missing_boxes, masks, strict=True)}
    for name, entry in new.items():
        image.keep(name, entry)
    return [_unpack(entries[name] or new[name], image, box) for name, box in zip(names, boxes, strict=True)]


def _pack(mask: WindowMask) -> bytes:
    """Serialise the logits inside the object and at its border: a few hundred bytes for a small object."""
    inside = (mask.logits > 0).numpy()
    left, top, right, bottom = mask_bounds(inside) if inside.any() else (0, 0, 1, 1)
    top, left = max(top - BESIDE, 0), max(left - BESIDE, 0)
    part = mask.logits[top : bottom + BESIDE, left : right + BESIDE]
    place = torch.tensor([top, left, len(mask.logits)], dtype=torch.int32)
    return save({"logits": part.contiguous(), "place": place, "quality": torch.tensor([mask.quality], dtype=torch.float64)})


def _unpack(entry: bytes, image: WindowedImage, box: Edges) -> WindowMask:
    tensors = load(entry)
    part, (top, left, points) = tensors["logits"], tensors["place"].tolist()
    logits = torch.from_numpy(np.full((points, points), OUTSIDE, np.float32))
    logits[top : top + part.shape[0], left : left + part.shape[1]] = part
    window = window_around(box, image.size, sides=image.sides, shown_px=image.shown_px)
    return WindowMask(window, logits, float(tensors["quality"]), image.size, image.shown_px)
