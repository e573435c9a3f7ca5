"""Cache of the masks that a network decoded in the boxes of an image, on disk beside the features of the image.

A new version mostly has the network of the version before, and the same boxes: its predictions then cost a read.
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

OUTLINES_VERSION = "1"
"""Part of the cache keys: increase it when the same network and box give another mask."""
OUTSIDE = -1.0
"""Logit of the points away from the object, which are not stored."""
BESIDE = 1
"""Width of the stored border around the object, points: the outline is between them."""


def cached_outlines(
    image: WindowedImage,
    boxes: Sequence[Edges],
    *,
    network: str,
    decode: Callable[[Sequence[Edges]], Sequence[WindowMask]],
) -> list[WindowMask]:
    """Return the object in each box, from the cache where it is there; others are decoded and stored.

    Parameters
    ----------
    network : str
        Fingerprint of the weights.
    decode : callable
        Outlines the objects in some of the boxes.
    """
    names = [f"outline {OUTLINES_VERSION} {network} {box}" for box in boxes]
    cached = {name: image.recall(name) for name in dict.fromkeys(names)}
    missing = {name: box for name, box in zip(names, boxes, strict=True) if cached[name] is None}
    masks = decode(list(missing.values())) if missing else []
    new = {name: _pack(mask) for name, mask in zip(missing, masks, strict=True)}
    for name, packed in new.items():
        image.keep(name, packed)
    return [_unpack(cached[name] or new[name], image, box) for name, box in zip(names, boxes, strict=True)]


def _pack(mask: WindowMask) -> bytes:
    """Serialise the logits of the object and of the points beside it: some hundred bytes for a small object."""
    inside = (mask.logits > 0).numpy()
    left, top, right, bottom = mask_bounds(inside) if inside.any() else (0, 0, 1, 1)
    top, left = max(top - BESIDE, 0), max(left - BESIDE, 0)
    part = mask.logits[top : bottom + BESIDE, left : right + BESIDE]
    place = torch.tensor([top, left, len(mask.logits)], dtype=torch.int32)
    return save({"logits": part.contiguous(), "place": place, "quality": torch.tensor([mask.quality], dtype=torch.float64)})


def _unpack(packed: bytes, image: WindowedImage, box: Edges) -> WindowMask:
    stored = load(packed)
    part, (top, left, points) = stored["logits"], stored["place"].tolist()
    logits = torch.from_numpy(np.full((points, points), OUTSIDE, np.float32))
    logits[top : top + part.shape[0], left : left + part.shape[1]] = part
    window = window_around(box, image.size, sides=image.sides, shown_px=image.shown_px)
    return WindowMask(window, logits, float(stored["quality"]), image.size, image.shown_px)
